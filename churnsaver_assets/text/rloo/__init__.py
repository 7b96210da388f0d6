"""RLOO with TRL's trainer: the baseline of the benchmark of text PPO.

No release is made with it, and no asset imports it.
"""
