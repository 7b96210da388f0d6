"""Cells of an evaluation: their conditions, how they are played in service, what came of each."""
