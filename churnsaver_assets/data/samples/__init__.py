"""The generated sample, used only where it is asked for by name."""
