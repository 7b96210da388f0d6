"""Decision policies fitted from the models."""
