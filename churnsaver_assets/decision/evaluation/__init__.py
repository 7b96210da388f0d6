"""What the decision policies are worth, on customers nobody trained on."""
