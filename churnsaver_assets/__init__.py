"""Training and evaluation: the Dagster asset graph and the domain code beneath it."""
