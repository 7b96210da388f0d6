"""The decision path, all that runs when a decision is made, and the HTTP API over it."""
