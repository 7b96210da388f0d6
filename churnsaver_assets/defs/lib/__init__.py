"""What the assets share: versions, IO managers, the gate, metadata, resources. No assets here."""
