"""The simulator: customers, days and worlds, and what contacts do to them.

No policy is here, and nothing that chooses or plans; playing a policy is in `play`.
"""
