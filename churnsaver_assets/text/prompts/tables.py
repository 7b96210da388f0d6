"""Training examples from tables: chat-formatted prompts with their replies."""

from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.records import Demonstration, PreferencePair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def demonstrations(
    frame: pd.DataFrame, tokenizer: "PreTrainedTokenizerBase"
) -> list[Demonstration]:
    """Return the rows of `sft_pairs` as the model sees them, in the table's order."""
    return [
        Demonstration(chat_text(tokenizer, msgspec.json.decode(messages)), reply)
        for messages, reply in zip(frame["messages_json"], frame["reply"], strict=True)
    ]


def preferences(frame: pd.DataFrame, tokenizer: "PreTrainedTokenizerBase") -> list[PreferencePair]:
    """Return the rows of `preference_pairs` as the model sees them, in the table's order."""
    return [
        PreferencePair(
            prompt_id=row["prompt_id"],
            source=row["source"],
            prompt=chat_text(tokenizer, msgspec.json.decode(row["messages_json"])),
            chosen=row["chosen"],
            rejected=row["rejected"],
            margin=float(row["margin"]),
        )
        for row in frame.to_dict("records")
    ]
