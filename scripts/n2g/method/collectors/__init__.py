"""What one pass over the corpus gathers, a module for each table that comes of it."""
