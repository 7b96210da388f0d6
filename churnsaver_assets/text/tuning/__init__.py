"""Supervised tuning with adapters: on public text, and on own samples that pass (RAFT)."""
