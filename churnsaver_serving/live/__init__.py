"""What is live: ledger, constraints from it, batching. No HTTP here."""
