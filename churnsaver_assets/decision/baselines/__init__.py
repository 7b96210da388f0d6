"""Baselines that the served policies are compared with, each tuned to where it is shown.

The policy that a release falls back to is here too. Who is compared with whom is chosen in
`evaluation`.
"""
