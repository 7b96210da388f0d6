"""Canonical tables: built from raw files, checked, split.

Belongs here: parsing, schemas, splits, guards against leaks. Does not: finding files, models.
"""
