"""Planning by dynamic programmes: the upper bound, its certificate, and the planner.

Nothing is trained here; learned policies are in `ppo` and `baselines`.
"""
