"""The learned policy: Lagrangian proximal policy optimisation, warm-started from the planner.

The actor's inference is in `churnsaver_serving.runtime`, so that what is served is what was
trained; comparison with other policies is in `evaluation`.
"""
