"""The parts of a decoder block, each a Keras layer."""
