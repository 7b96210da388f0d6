"""Experiment files and the typed objects they are read into."""
