"""What a contact must keep to: rules, days, money, places, history."""
