"""Supervised tuning with adapters: on public text, and on own samples that pass (RAFT).

Here belong TRL's trainer, its checkpoints, and what is learnt from. Rewards and policies trained on
them do not; the merge of adapters is of `text.model`.
"""
