"""The live side of serving: the ledger, the limits read from it, batching. No HTTP here."""
