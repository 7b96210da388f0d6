"""Evaluation of the decision policies on held-out customers: trials, metrics, checks, pictures.

Policies themselves and their training are in the rooms beside this one.
"""
