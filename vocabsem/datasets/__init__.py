"""Rows of a source to checked examples, their splits and shots."""
