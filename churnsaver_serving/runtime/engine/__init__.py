"""A release and how it decides."""
