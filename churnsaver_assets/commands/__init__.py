"""The commands that `make` runs. `setup` is what they share; the work itself is in other rooms."""
