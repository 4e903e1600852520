"""What one pass over the corpus collects, one module per table."""
