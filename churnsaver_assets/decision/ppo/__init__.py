"""The learned policy: Lagrangian proximal policy optimisation, warm-started from the planner."""
