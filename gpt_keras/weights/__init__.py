"""Weights of GPT-2 in other projects' formats, in and out."""
