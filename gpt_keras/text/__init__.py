"""Text to token ids and back, on the host and inside the graph."""
