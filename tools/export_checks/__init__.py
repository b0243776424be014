"""What `tools.check_export` is made of."""
