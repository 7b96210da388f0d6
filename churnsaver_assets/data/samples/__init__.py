"""The generated sample, used only where it is asked for by name.

Belongs here: generated raw files in the layouts of the real ones. Does not: rows of real data.
"""
