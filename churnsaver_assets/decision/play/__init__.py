"""Playing a policy in the simulator: the protocols of policies, the execution, and pacing.

No policy is here; dynamics are in `simulator`.
"""
