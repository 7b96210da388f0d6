"""Uplift: learning and validating the effect of a treatment, given randomised data.

The agents that act on uplift are in `baselines`.
"""
