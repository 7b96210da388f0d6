"""Tests for churnsaver_assets.text.model.chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.text.model.chat import SYSTEM, chat_text
from churnsaver_assets.text.model.loading import load_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

ASKED = {"role": "user", "content": "Write a note."}


def test_a_system_message_comes_first_and_the_assistant_is_next_to_speak(tiny_model: Path) -> None:
    text = chat_text(load_tokenizer(tiny_model), [ASKED])
    assert text.startswith(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
    assert text.endswith("Write a note.<|im_end|>\n<|im_start|>assistant\n")


def test_a_conversation_keeps_its_own_system_message(tiny_model: Path) -> None:
    own = {"role": "system", "content": "Be brief."}
    text = chat_text(load_tokenizer(tiny_model), [own, ASKED])
    assert text.count("<|im_start|>system") == 1
    assert SYSTEM not in text


def test_turns_stay_in_order_and_the_messages_as_they_were(tiny_model: Path) -> None:
    turns = [ASKED, {"role": "assistant", "content": "A note."}, {"role": "user", "content": "Go."}]
    before = [dict(turn) for turn in turns]
    text = chat_text(load_tokenizer(tiny_model), turns)
    assert text.index("Write a note.") < text.index("A note.") < text.index("Go.")
    assert turns == before


@pytest.mark.parametrize("turns", [[], [ASKED, {"role": "assistant", "content": "Done."}]])
def test_a_prompt_that_asks_nothing_is_refused(
    turns: list[dict[str, str]], tiny_model: Path
) -> None:
    with pytest.raises(ValueError, match="end with the user's turn"):
        chat_text(load_tokenizer(tiny_model), turns)


def test_a_tokenizer_without_a_template_is_refused(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        chat_text(tokenizer, [ASKED])
