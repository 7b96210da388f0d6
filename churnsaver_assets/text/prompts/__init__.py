"""Requests to the language models: the contexts asked for, their wording, and one-shot examples.

How chat turns become text is `model.chat`; what is done with an answer is not decided here.
"""
