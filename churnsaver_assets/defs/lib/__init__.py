"""Machinery that the assets share: versions, IO managers, the gate, resources. No assets here."""
