"""Comparisons: similar neurons of one run, and what changed between two runs."""
