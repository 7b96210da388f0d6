"""Running totals of the ledger, written with each decision and outcome, so that none is summed."""
