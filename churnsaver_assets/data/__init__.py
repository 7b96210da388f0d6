"""Data from sources to tables, and the generated sample.

Belongs here: sources, canonical tables, text pairs, their schemas and splits, the catalog. Does
not: models, features, or anything that learns from the tables.
"""
