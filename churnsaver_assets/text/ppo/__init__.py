"""PPO on text: `train` is the loop, `iteration` one turn of it, `learn` its gradient steps.

Here belong policy, rollout, credit, losses and curves. What a message is worth (`text.reward`) and
how trained policies compare (`text.judging`) do not.
"""
