"""What the decision policy is compared with: baselines, tuned at equal budget."""
