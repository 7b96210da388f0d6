"""The reward model: a linear probe on frozen features, LoRA from there, and what they are worth."""
