"""The decision path shared by training and serving. No web framework, no database."""
