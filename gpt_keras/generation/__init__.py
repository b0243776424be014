"""Generation: a trained model and prompts come in, text goes out."""
