"""Canonical tables: built from raw files, checked, split."""
