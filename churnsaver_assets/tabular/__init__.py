"""Calibrated tabular models: features, training, calibration, metrics and pictures.

Tables and their splits come from `data`; scoring at decision time is the serving runtime's. No
Dagster here.
"""
