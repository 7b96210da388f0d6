"""Tests for churnsaver_assets.text.tuning.rejection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.experiments.text_spec import (
    FineTuneSpec,
    HardwareSpec,
    RejectionSpec,
    SamplingSpec,
)
from churnsaver_assets.text.model import draws
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.examples import copied, normal_form
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.rejection import TooFewPassing, draw_samples, pass_rates, select
from churnsaver_serving.runtime.context import all_contexts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from churnsaver_serving.runtime.shield.shield import Shield

CONTEXTS = {
    f"customer-{row}": context
    for row, context in enumerate(all_contexts((0, 10), ("warm",), ("email", "sms"))[::3])
}
SPEC = RejectionSpec(
    rounds=2,
    samples=60,
    least_passing=10,
    temperature=1.0,
    chunk=25,
    fine_tune=FineTuneSpec(
        rows=10,
        max_tokens=200,
        steps=1,
        batch_rows=2,
        learning_rate=1e-3,
        save_every=1,
        evaluated_rows=2,
    ),
)
SAMPLING = SamplingSpec(max_new_tokens=48, temperature=0.2, batch_rows=30)


@pytest.fixture(scope="session")
def draw(tiny_model: Path, hardware: HardwareSpec, shield: Shield) -> Callable[..., pd.DataFrame]:
    def drawn(checkpoints: Path, **changed: Any) -> pd.DataFrame:
        settings = {"seed": 42, "first_round": False, "contexts": CONTEXTS, **changed}
        contexts, seed = settings.pop("contexts"), settings.pop("seed")
        progress = settings.pop("progress", None)
        return draw_samples(
            tiny_model,
            contexts,
            SPEC,
            SAMPLING,
            Run(hardware, seed, checkpoints, progress),
            shield=shield,
            **settings,
        )

    return drawn


@pytest.fixture(scope="session")
def samples(
    draw: Callable[..., pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    return draw(tmp_path_factory.mktemp("rejection"))


def test_about_half_of_the_tiny_models_bodies_pass(samples: pd.DataFrame) -> None:
    """What the other text tests rely on."""
    assert 0.3 < samples["passed"].mean() < 0.75


def test_samples_are_judged_by_the_shield_and_their_end(
    samples: pd.DataFrame, shield: Shield
) -> None:
    assert len(samples) == SPEC.samples
    assert samples["sample_id"].is_unique
    for row in samples.to_dict("records"):
        context = CONTEXTS[row["prompt_id"]]
        assert row["key"] == context.key
        verdict = shield.check_body(row["body"], context)
        assert row["passed"] == (verdict.passed and row["finished"])
        assert row["passed"] == (row["rules"] == "")


def test_every_context_has_its_turn(samples: pd.DataFrame) -> None:
    assert set(samples["prompt_id"].value_counts()) == {SPEC.samples // len(CONTEXTS)}


def test_the_first_round_shows_an_example_and_keeps_the_plain_prompt(
    draw: Callable[..., pd.DataFrame], tiny_model: Path, tmp_path: Path
) -> None:
    first = draw(tmp_path, first_round=True)
    plain = {
        prompt.id: prompt.text for prompt in retention_prompts(load_tokenizer(tiny_model), CONTEXTS)
    }
    assert list(first["prompt"]) == [plain[name] for name in first["prompt_id"]]
    assert first["example"].nunique() > 8
    assert list(first["copied"]) == [
        copied(body, example) for body, example in zip(first["body"], first["example"], strict=True)
    ]


def test_a_run_cut_short_ends_as_if_it_hadnt_been(
    draw: Callable[..., pd.DataFrame],
    samples: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut(done: int, total: int, line: str) -> None:
        if done > SPEC.chunk:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, progress=cut)
    told: list[int] = []
    resumed = draw(tmp_path, progress=lambda done, *_: told.append(done))
    assert min(told) > SPEC.chunk
    pd.testing.assert_frame_equal(resumed, samples)
    # Once finished, nothing is drawn again and no model is loaded.
    monkeypatch.delattr(draws, "load_model")
    pd.testing.assert_frame_equal(draw(tmp_path), samples)


def test_the_seed_decides(
    draw: Callable[..., pd.DataFrame], samples: pd.DataFrame, tmp_path: Path
) -> None:
    assert list(draw(tmp_path, seed=43)["body"]) != list(samples["body"])


def test_what_is_learnt_from_passed_and_stands_once(samples: pd.DataFrame) -> None:
    chosen = select(samples, least_passing=SPEC.least_passing)
    passing = samples[samples["passed"]]
    assert len(chosen) >= SPEC.least_passing
    assert {one.reply for one in chosen} <= set(passing["body"])
    assert {one.prompt for one in chosen} <= set(passing["prompt"])


def table(rows: list[tuple[int, int, bool, bool]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": [str(row) for row in range(len(rows))],
            "key": [f"context-{context}" for context, *_ in rows],
            "prompt": [f"prompt-{context}" for context, *_ in rows],
            "body": [f"Body {'ab'[body % 2]} {body // 2}." for _, body, *_ in rows],
            "rules": ["" if passed else "digits unfinished" for *_, passed, _ in rows],
            "passed": pd.Series([passed for *_, passed, _ in rows], dtype=bool),
            "copied": pd.Series([copy for *_, copy in rows], dtype=bool),
        }
    )


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 40), st.booleans(), st.booleans()), max_size=60
    )
)
def test_selection_keeps_contexts_in_balance(rows: list[tuple[int, int, bool, bool]]) -> None:
    frame = table(rows)
    chosen = select(frame, least_passing=0) if rows else []
    bodies = [normal_form(one.reply) for one in chosen]
    assert len(set(bodies)) == len(bodies)
    fit = {body for _, body, passed, copy in rows if passed and not copy}
    counts = pd.Series([one.prompt for one in chosen], dtype=object).value_counts()
    assert len(chosen) <= len(fit)
    assert bool(chosen) == bool(fit)
    if chosen:
        assert counts.max() <= -(-2 * len(fit) // len(counts))
        # Contexts take turns: the first rows are one of each.
        assert len({one.prompt for one in chosen[: len(counts)]}) == len(counts)


def test_a_context_that_passes_often_does_not_crowd_out_the_others() -> None:
    often = [(0, 2 * body, True, False) for body in range(20)]
    rarely = [(context, 100 + 2 * context, True, False) for context in (1, 2, 3)]
    chosen = [one.prompt for one in select(table(often + rarely), least_passing=1)]
    # 23 bodies of 4 contexts: at most twice 5.75 of one.
    assert chosen.count("prompt-0") == 12
    assert len(chosen) == 15


def test_too_little_to_learn_from_is_an_error_with_each_rules_share() -> None:
    rows = [(0, 0, True, False), (0, 2, True, True), (1, 4, False, False), (1, 0, True, False)]
    frame = table(rows)
    with pytest.raises(TooFewPassing, match=r"1 of 4 samples.*at least 2.*broke digits 25%"):
        select(frame, least_passing=2)
    assert pass_rates(frame) == {
        "passed": 0.75,
        "copied": 0.25,
        "broke digits": 0.25,
        "broke unfinished": 0.25,
    }


def test_without_contexts_there_is_nothing_to_draw(
    draw: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no contexts"):
        draw(tmp_path, contexts={})
