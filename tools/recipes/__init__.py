"""What `tools.measure_recipes` is made of."""
