"""Serving: a trained model comes in, a SavedModel for TF Serving goes out."""
