"""PPO on text: rollout, rewards, advantages, losses, the loop."""
