"""The pages of the atlas."""
