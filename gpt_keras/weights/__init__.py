"""Weights of GPT-2 in other projects' formats, and models of another size."""
