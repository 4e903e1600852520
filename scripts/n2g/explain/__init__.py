"""Explanations in words by a language model: ask, simulate, score, revise."""
