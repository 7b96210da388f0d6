"""Text tables: prompts with replies and preferences, read, cleaned and split.

Belongs here: readers of upstream's layouts, cleaning, splits by prompt, schemas. Does not: prompts
of our own customers, tokens, or models.
"""
