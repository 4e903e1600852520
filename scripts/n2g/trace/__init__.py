"""The neurons that a prediction goes through."""
