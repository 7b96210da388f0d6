"""Baselines that the learned policy is compared with, tuned at equal budget, and the fallback.

Planners are in `planning`; who is compared with whom is chosen in `evaluation`.
"""
