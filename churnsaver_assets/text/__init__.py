"""Text models: fine-tuning, reward, PPO, their evaluation, and the bank of messages they write.

Here belong what trains, samples and judges language models, from tables of text to model
directories and reports. Reading the public data sets (`data/text`), what is served (shield,
wording, bank and composer in `churnsaver_serving`) and everything of Dagster do not.
"""
