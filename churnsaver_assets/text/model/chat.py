"""Conversations as the text that a model reads."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYSTEM = (
    "You write short notes to customers of a phone and internet company. "
    "No numbers, names, links or promises."
)
"""Goes first wherever a conversation brings no system message of its own. Some templates,
SmolLM2's among them, would else put in theirs, which tells of another task."""


def chat_text(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[Mapping[str, str]],
    *,
    system: str = SYSTEM,
) -> str:
    """Write a conversation in the tokenizer's chat format, up to and with the assistant's turn.

    Args:
        tokenizer: Tokenizer with a chat template.
        messages: Turns with their `role` and `content`; the last one is the user's.
        system: System message where `messages` doesn't begin with one.

    Raises:
        ValueError: There is no template or no turn, or the last turn isn't the user's.
    """
    if not tokenizer.chat_template:
        raise ValueError("the tokenizer has no chat template: use the one of an instruct model")
    if not messages or messages[-1]["role"] != "user":
        last = messages[-1]["role"] if messages else "nothing"
        raise ValueError(f"a prompt must end with the user's turn, got {last}")
    turns = [dict(message) for message in messages]
    if turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return str(text)
