"""Whom to contact, when and with what: simulator, planners, learned policy, baselines, evaluation.

Predictive models are in `tabular`, messages in `text`. Nothing here knows Dagster or releases.
"""
