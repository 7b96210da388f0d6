"""Messages: composing what a customer is told, and when it goes out. Judging texts is not here."""
