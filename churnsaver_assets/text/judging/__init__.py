"""Evaluation of the text models: policies drawn from, judged, compared and reported.

Here belong what measures messages (win-rates, KL, diversity, best-of-n, violations, reward hacking,
toxicity) and the shield's own figures on probes, with reports and plots of them. What trains a
model or a reward, and what chooses the messages of the bank, does not.
"""
