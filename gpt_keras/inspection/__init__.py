"""Inspection: a model and a text come in, pictures of the inside go out."""
