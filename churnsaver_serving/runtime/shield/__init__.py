"""The safety shield: whether a message may be sent."""
