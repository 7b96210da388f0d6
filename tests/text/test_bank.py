"""The bank holds the best candidates that pass every rule, and says what made them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.experiments.text_spec import BankSpec, HardwareSpec, SamplingSpec
from churnsaver_assets.text.bank import Ranker, bank_csv, bank_of, write_candidates
from churnsaver_assets.text.model import draws
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer
from churnsaver_assets.text.prompts.examples import normal_form
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.context import all_contexts
from churnsaver_serving.runtime.messages.bank import MessageBank, message_id
from churnsaver_serving.runtime.messages.wording import Wording, default_wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from churnsaver_serving.runtime.context import MessageContext
    from churnsaver_serving.runtime.shield.shield import Shield

    Written = tuple[MessageBank, pd.DataFrame]

CONTEXTS = all_contexts((0, 10), ("warm",), ("email", "sms"))[::6]
BY_KEY = {context.key: context for context in CONTEXTS}
SPEC = BankSpec(
    tones=("warm",),
    channels=("email", "sms"),
    candidates=10,
    temperature=1.0,
    least_usable=3,
    keep=4,
    chunk=25,
)
SAMPLING = SamplingSpec(max_new_tokens=48, temperature=1.0, batch_rows=30)
WORDING = msgspec.json.decode(default_wording(), type=Wording)
REWARD_SHA256 = "b" * 64


class LikesLength:
    """A reward model that likes long replies, or short ones."""

    sha256 = REWARD_SHA256

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray[Any, Any]:
        assert len(prompts) == len(replies)
        assert all(replies)
        return self.sign * np.array([len(reply) for reply in replies], dtype=np.float32)

    def value_direction(self) -> tuple[np.ndarray[Any, Any], float]:
        return np.zeros(64), 0.0


@pytest.fixture(scope="session")
def write(
    tiny_model: Path,
    hardware: HardwareSpec,
    shield: Shield,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Written]:
    # Draws are shared: they don't depend on shield, wording or ranking.
    folder = tmp_path_factory.mktemp("bank")

    def wrote(
        *,
        contexts: list[MessageContext] = CONTEXTS,
        spec: BankSpec = SPEC,
        wording: Wording = WORDING,
        reward_model: LikesLength | None = None,
        checkpoints: Path = folder,
    ) -> Written:
        candidates = write_candidates(
            tiny_model,
            contexts,
            spec,
            sampling=SAMPLING,
            run=Run(hardware, 42, checkpoints),
            shield=shield,
            wording=wording,
            ranker=Ranker(reward_model or LikesLength(), 100.0, 10.0),
        )
        bank = bank_of(
            candidates,
            checkpoint=directory_sha256(tiny_model),
            reward_model=REWARD_SHA256,
            shield=shield.sha256,
        )
        return bank, candidates

    return wrote


@pytest.fixture(scope="session")
def written(write: Callable[..., Written]) -> Written:
    return write()


def test_the_bank_says_which_models_and_rules_it_comes_from(
    written: Written, tiny_model: Path, shield: Shield
) -> None:
    bank, _ = written
    assert bank.checkpoint == directory_sha256(tiny_model)
    assert bank.reward_model == REWARD_SHA256
    assert bank.shield == shield.sha256
    assert msgspec.json.decode(msgspec.json.encode(bank), type=MessageBank) == bank


def test_what_is_kept_may_be_sent_and_is_the_best(
    written: Written, tiny_model: Path, shield: Shield
) -> None:
    bank, _ = written
    tokenizer = load_tokenizer(tiny_model)
    assert bank.contexts
    for key, messages in bank.contexts.items():
        context = BY_KEY[key]
        assert SPEC.least_usable <= len(messages) <= SPEC.keep
        assert len({normal_form(message.body) for message in messages}) == len(messages)
        scores = [message.score for message in messages]
        assert scores == sorted(scores, reverse=True)
        for message in messages:
            facts = WORDING.facts(context)
            text = WORDING.render(message.body, facts, context.channel)
            assert shield.check_body(message.body, context).passed
            assert shield.check_message(text, facts, context.channel).passed
            assert message.tokens == len(tokenizer(text, add_special_tokens=False)["input_ids"])
            assert message.score == pytest.approx((len(message.body) - 100) / 10)
            assert message.id == message_id(context, message.body)


def test_candidates_are_drawn_at_the_banks_temperature(
    write: Callable[..., Written], tmp_path: Path
) -> None:
    cold = SPEC.model_copy(update={"temperature": 1e-3, "candidates": 3})
    _, frame = write(contexts=CONTEXTS[:2], spec=cold, checkpoints=tmp_path)
    assert (frame.groupby("context")["body"].nunique() == 1).all()
    _, warm = write(contexts=CONTEXTS[:2], checkpoints=tmp_path)
    assert (warm.groupby("context")["body"].nunique() > 1).all()


def test_all_candidates_can_be_looked_through(
    written: Written,
) -> None:
    bank, frame = written
    assert dict(frame["context"].value_counts()) == dict.fromkeys(BY_KEY, SPEC.candidates)
    usable = (frame["rules"] == "") & ~frame["duplicate"]
    assert list(frame["rank"].notna()) == list(usable)
    assert set(frame.loc[~frame["finished"], "rules"].str.contains("unfinished")) == {True}
    kept = frame[frame["kept"]].groupby("context")["id"].agg(set).to_dict()
    assert kept == {
        key: {message.id for message in messages} for key, messages in bank.contexts.items()
    }
    for key, rows in frame.groupby("context"):
        if rows["rank"].notna().sum() < SPEC.least_usable:
            assert key not in bank.contexts
        dropped = rows[rows["rank"].notna() & ~rows["kept"]]
        if key in bank.contexts and len(dropped):
            assert dropped["score"].max() <= rows.loc[rows["kept"], "score"].min()


def test_another_reward_model_ranks_otherwise(
    write: Callable[..., Written], written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(draws, "load_model")  # Nothing is drawn anew.
    bank, frame = written
    other, again = write(reward_model=LikesLength(-1.0))
    assert list(again["body"]) == list(frame["body"])
    assert set(other.contexts) == set(bank.contexts)
    for key, messages in bank.contexts.items():
        assert other.contexts[key] != messages
        assert len(other.contexts[key][0].body) <= len(messages[0].body)


def test_a_context_with_too_few_usable_messages_is_left_out(
    write: Callable[..., Written], written: Written
) -> None:
    _, frame = written
    usable = frame.groupby("context")["rank"].count()
    most = int(usable.max())
    assert most >= SPEC.least_usable
    spec = SPEC.model_copy(update={"least_usable": most, "keep": most})
    bank, _ = write(spec=spec)
    assert set(bank.contexts) == set(usable[usable == most].index)
    spec = SPEC.model_copy(update={"least_usable": most + 1, "keep": most + 1})
    bank, none = write(spec=spec)
    assert bank.contexts == {}
    assert not none["kept"].any()


def test_a_message_that_may_not_be_sent_as_a_whole_is_not_kept(
    write: Callable[..., Written], written: Written
) -> None:
    email = msgspec.structs.replace(
        WORDING.channels["email"], layout="{greeting}\n\n{body}\n\n{offer_line}\n\n{signature}"
    )
    silent = msgspec.structs.replace(WORDING, channels={**WORDING.channels, "email": email})
    bank, frame = write(wording=silent)
    by_email = frame["channel"] == "email"
    assert (frame.loc[by_email, "rules"] != "").all()
    assert set(bank.contexts) == {key for key in written[0].contexts if key.endswith("/sms")}


def test_the_same_words_count_once(write: Callable[..., Written], tmp_path: Path) -> None:
    cold = SPEC.model_copy(update={"temperature": 0.2})
    _, frame = write(spec=cold, checkpoints=tmp_path)
    words = frame.assign(words=frame["body"].map(normal_form))
    assert list(frame["duplicate"]) == list(words.duplicated(["context", "words"]))
    assert frame["duplicate"].any()
    assert frame.loc[frame["duplicate"], "rank"].isna().all()


def test_the_table_as_csv_is_the_table(written: Written) -> None:
    _, frame = written
    data = bank_csv(frame)
    assert data.startswith(b"\xef\xbb\xbf")
    read = pd.read_csv(io.BytesIO(data), encoding="utf-8-sig", keep_default_na=False)
    for name in ("context", "body", "message", "rules", "id"):
        assert list(read[name]) == list(frame[name])
    assert list(pd.to_numeric(read["score"])) == pytest.approx(list(frame["score"]))


def test_a_spreadsheet_runs_no_message_as_a_formula(
    written: Written,
) -> None:
    frame = written[1].head(2).copy()
    frame["body"] = ['=HYPERLINK("x")', "You are welcome."]
    read = pd.read_csv(io.BytesIO(bank_csv(frame)), encoding="utf-8-sig")
    assert list(read["body"]) == ['\'=HYPERLINK("x")', "You are welcome."]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"contexts": []}, "at least one context"),
        ({"contexts": [CONTEXTS[0], CONTEXTS[0]]}, "each once"),
        ({"reward_model": LikesLength(float("nan"))}, "aren't finite"),
    ],
)
def test_bad_input_says_what_is_wrong(
    changed: dict[str, Any], says: str, write: Callable[..., Written]
) -> None:
    with pytest.raises(ValueError, match=says):
        write(**changed)


def test_a_reward_model_without_a_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="expected std above 0"):
        Ranker(LikesLength(), 100.0, 0.0)
