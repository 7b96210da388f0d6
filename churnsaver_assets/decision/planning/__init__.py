"""Planning by dynamic programmes: the upper bound, its certificate, and the planner.

Nothing here is learnt; learned policies are in `ppo` and `baselines`.
"""
