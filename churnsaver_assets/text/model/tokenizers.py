"""Tokenizers made fit for training: a pad token of their own and a chat template."""

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SPARE = re.compile(
    r"<empty_output>|<\|?pad\|?>|\[PAD\]|<\|?finetune_right_pad(_id)?\|?>"
    r"|<\|?reserved_special_token_\d+\|?>|<\|?extra_\d+\|?>|<unused_?\d+>|\[unused\d+\]",
    re.IGNORECASE,
)
"""Vocabulary entries that models leave unused, or keep for padding."""
_NEW_PAD = "<|pad|>"

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ 'System:\n' + message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'Human:\n' + message['content'] + '\n\n' }}"
    "{% else %}{{ 'Assistant:\n' + message['content'] + eos_token + '\n\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)
"""For models that were never taught a chat format, such as OPT."""


class TokenizerError(ValueError):
    """A tokenizer that can't be used; says why."""


def mended_tokenizer(original: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """Return a copy with what training and generation need.

    - A pad token that isn't the end token, or padding would teach the model never to stop. An
      unused vocabulary entry serves where there is one; else one is added.
    - A chat template whose turns end with the end token; a plain one where there is none.
    - No special token is added while tokenising: the chat template writes all of them.

    Args:
        original: Tokenizer as it was read; it isn't changed.

    Raises:
        TokenizerError: There is no end token, no fast tokenizer, or a template that doesn't end
            turns.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = getattr(original, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise TokenizerError(
            f"expected a tokenizer of the tokenizers library, got {type(original).__name__}: "
            "use a model that has a tokenizer.json"
        )
    if original.eos_token_id is None:
        raise TokenizerError("the tokenizer has no end token: use a model with one")
    template = original.chat_template or PLAIN_TEMPLATE
    if not isinstance(template, str):
        raise TokenizerError("the tokenizer has several chat templates: keep one, as a string")
    data: dict[str, Any] = json.loads(backend.to_str())
    data |= {"post_processor": None, "truncation": None, "padding": None}
    mended = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer.from_str(json.dumps(data)),
        bos_token=original.bos_token,
        eos_token=original.eos_token,
        unk_token=original.unk_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=template,
    )
    pad = _pad_token(original, template)
    mended.add_special_tokens({"pad_token": pad})
    _check_turns_end(mended)
    return mended


def _pad_token(original: "PreTrainedTokenizerBase", template: str) -> str:
    used = {original.eos_token, original.bos_token, original.unk_token}
    if original.pad_token is not None and original.pad_token not in used:
        return str(original.pad_token)
    spare = sorted(
        (number, str(token))
        for number, token in original.added_tokens_decoder.items()
        if _SPARE.fullmatch(str(token)) and str(token) not in used and str(token) not in template
    )
    return spare[0][1] if spare else _NEW_PAD


def _check_turns_end(tokenizer: "PreTrainedTokenizerBase") -> None:
    said = "said"
    turns = [
        {"role": "system", "content": "told"},
        {"role": "user", "content": "asked"},
        {"role": "assistant", "content": said},
    ]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    if not text.partition(said)[2].startswith(str(tokenizer.eos_token)):
        raise TokenizerError(
            f"the chat template ends the assistant's turn with {text.partition(said)[2]!r}, not "
            f"with the end token {tokenizer.eos_token!r}: generation would never stop"
        )
