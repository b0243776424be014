"""A configuration in, what its training will take out."""
