"""Mechanisms that several rooms need and none owns: files, checkpoints, intervals, drawing.

Nothing here knows customers, offers or messages, and nothing here imports a sibling.
"""
