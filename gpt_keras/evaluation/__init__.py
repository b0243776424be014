"""Evaluation: a trained model and texts come in, figures to compare go out."""
