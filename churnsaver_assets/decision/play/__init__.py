"""Playing a policy as it is served, and what is fitted by it: pacing's start.

Dynamics are in `simulator`.
"""
