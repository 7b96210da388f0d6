"""Messages: what a customer is told, and what may be said."""
