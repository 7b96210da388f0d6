"""Language models: model directories, tokenizers, adapters, sampling, perplexity.

Here belongs what holds for any language model and any text. What a message is, who gets it and what
it is worth do not.
"""
