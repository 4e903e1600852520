"""A corpus as token ids: sources, readers, near-duplicates, splits, positions of tokens."""
