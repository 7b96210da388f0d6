"""What `make` runs. Each module is a command; `setup` is what they share."""
