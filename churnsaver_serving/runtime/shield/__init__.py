"""The safety shield: rules that judge texts. Composing and sending messages is not here."""
