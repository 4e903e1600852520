"""Queries to a finished run: `load_atlas` in Python, `python -m n2g` on the command line."""
