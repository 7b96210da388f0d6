"""Finding the raw files of data sets: pinned facts, the mirror, downloads, the stored form.

Belongs here: how a file is had and told from another. Does not: tables, readers of text, samples.
"""
