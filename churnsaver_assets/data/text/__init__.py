"""Text data: prompts with replies and preferences, from source to table."""
