"""RLOO with TRL's trainer: the baseline that text PPO is held against. Never served."""
