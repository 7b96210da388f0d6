from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.reward.features import Features, extract
from churnsaver_assets.text.reward.network import POOLINGS, BaseModel, batches, pool_weights
from churnsaver_assets.text.reward.sequences import Encoded, encode, truncation
from churnsaver_assets.text.run import Run
from tests.support.text.reward import HARDWARE

PROMPTS = ["<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"] * 3
REPLIES = ["We thank you.", "Please stay with us and tell us how it is.", ""]


class WordTokenizer:
    """One id for each character; the end token is 0."""

    eos_token_id = 0

    def __call__(self, texts: list[str], *, add_special_tokens: bool) -> dict[str, object]:
        assert not add_special_tokens
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


@given(st.text("ab", max_size=30), st.text("cd", max_size=30), st.integers(4, 40))
def test_rows_fit_and_lose_the_right_ends(prompt: str, reply: str, max_tokens: int) -> None:
    (row,) = encode(WordTokenizer(), [prompt], [reply], max_tokens)
    assert len(row.ids) <= max_tokens
    assert row.reply_start < len(row.ids)
    text = "".join(map(chr, row.ids[: row.reply_start]))
    assert prompt.endswith(text)
    kept = row.ids[row.reply_start :]
    whole = (*map(ord, reply), 0)
    assert whole[: len(kept)] == kept
    assert row.prompt_cut == (len(text) < len(prompt))
    assert row.reply_lost == len(whole) - len(kept)
    assert row.reply_tokens == len(whole)
    if len(prompt) + len(whole) <= max_tokens:
        assert not row.prompt_cut
        assert row.reply_lost == 0
    if row.reply_lost:
        assert len(kept) >= max_tokens // 2


def test_truncation_is_counted() -> None:
    rows = encode(WordTokenizer(), ["aaaa", "a", "a"], ["bb", "bbbbbbbbbb", "b"], 6)
    counted = truncation(rows)
    assert (counted.rows, counted.prompts_cut, counted.replies_cut) == (3, 1, 1)
    assert counted.mean_tokens == (6 + 6 + 3) / 3
    with pytest.raises(ValueError, match="at least one row"):
        truncation([])


def test_batches_hold_every_row_once_longest_first() -> None:
    import torch

    rows = [Encoded((1,) * length, 0) for length in (3, 9, 1, 4)]
    made = list(batches(rows, 3, 7, torch.device("cpu")))
    assert [batch.positions for batch in made] == [(1, 3, 0), (2,)]
    assert made[0].input_ids.tolist()[2] == [1] * 3 + [7] * 6
    assert made[0].attention_mask.sum(dim=1).tolist() == [9, 4, 3]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_weights_sum_to_one_inside_the_row(pooling: str) -> None:
    rows = [Encoded((1, 2, 3, 4), 2), Encoded((1, 2), 1)]
    weights = pool_weights(pooling, rows, 5)  # type: ignore[arg-type]
    assert weights.sum(dim=1).tolist() == [1.0, 1.0]
    assert weights[1, 2:].sum() == 0
    expected = {"reply": [0, 0, 0.5, 0.5, 0], "sequence": [0.25] * 4 + [0], "last": [0, 0, 0, 1, 0]}
    assert weights[0].tolist() == expected[pooling]


def features(tiny_model: Path, cache: Path, sha256: str = "base") -> Features:
    tokenizer = load_tokenizer(tiny_model)
    rows = encode(tokenizer, PROMPTS + PROMPTS, REPLIES + REPLIES, 64)
    base = BaseModel(tiny_model, tokenizer, sha256)
    return extract(base, rows, Run(HARDWARE, 42, cache), batch_rows=2, chunk=2)


def test_features_are_the_models_states(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    found = features(tiny_model, tmp_path)
    assert found.states.shape == (3, len(POOLINGS), 64)  # six rows, three of them distinct
    tokenizer = load_tokenizer(tiny_model)
    backbone = load_model(tiny_model, HARDWARE, dtype="float32").base_model
    for place, row in enumerate(encode(tokenizer, PROMPTS, REPLIES, 64)):
        with torch.inference_mode():
            states = backbone(torch.tensor([row.ids])).last_hidden_state[0].numpy()
        for pooling, expected in (
            ("reply", states[row.reply_start :].mean(axis=0)),
            ("sequence", states.mean(axis=0)),
            ("last", states[-1]),
        ):
            for at in (place, place + 3):
                np.testing.assert_allclose(
                    found.pooled(pooling)[at],  # type: ignore[arg-type]
                    expected,
                    atol=1e-4,
                )


def test_features_go_on_where_they_were_killed(tiny_model: Path, tmp_path: Path) -> None:
    whole = features(tiny_model, tmp_path)
    assert whole.computed == 3
    (tmp_path / "chunk-00001.npy").unlink()
    (tmp_path / "chunk-00001.npy.partial").write_bytes(b"killed")
    rest = features(tiny_model, tmp_path)
    assert rest.computed == 1
    np.testing.assert_array_equal(rest.states, whole.states)
    assert features(tiny_model, tmp_path).computed == 0
    assert features(tiny_model, tmp_path, sha256="other").computed == 3
