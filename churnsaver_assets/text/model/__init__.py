"""Language models: read, written, sampled from, and how well they predict.

Nothing here knows what a message is for or what it is worth.
"""
