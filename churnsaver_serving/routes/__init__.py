"""HTTP routes, one file a concern. Nothing is decided or stored here."""
