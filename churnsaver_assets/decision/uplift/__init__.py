"""Learning and validating the effect of a treatment, given randomised data."""
