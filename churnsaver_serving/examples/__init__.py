"""Request bodies to try the API with, as JSON files."""
