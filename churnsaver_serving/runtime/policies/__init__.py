"""Policies, what they observe, and the prices that pacing gives them."""
