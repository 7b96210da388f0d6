"""Pictures of an evaluation and of training runs, as PNG."""
