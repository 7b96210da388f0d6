"""Calibrated tabular models: training, calibration, metrics, plots. No Dagster here."""
