"""The reward model and the reward of a message.

A linear probe on frozen features, LoRA from there, their figures on held-out pairs beside those of
length alone; and the sum of reward model, shield and brevity that PPO and RLOO maximise. Judging of
policies by a second reward model is `judging`.
"""
