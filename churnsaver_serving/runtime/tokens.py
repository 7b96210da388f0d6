"""A bound on the tokens of a message, without a tokenizer."""

import re

_PIECE = re.compile(r"[a-zA-Z]+|\d|\n|[^\sa-zA-Z\d]")


def token_bound(text: str, *, letters: int = 4) -> int:
    """Bound the tokens of an ordinary English message under byte-level BPE from above.

    A word counts one token for each `letters` letters begun, a digit, mark or line break one, any
    other character as many as it has UTF-8 bytes. Not a bound for text that isn't ordinary: a
    made-up word may take more.

    Args:
        text: A message.
        letters: Letters of a word that one token is taken to cover.
    """
    bound = 0
    for piece in _PIECE.findall(text):
        if piece.isascii():
            bound += -(-len(piece) // letters) if piece.isalpha() else 1
        else:
            bound += len(piece.encode("utf-8", "surrogatepass"))
    return bound
