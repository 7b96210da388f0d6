"""What customers do: assumptions, closed-form effects of contacts, belief from what was seen."""
