from math import exp, log
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.judging.best_of_n import best_of_n, best_of_n_kl, matched_n
from churnsaver_assets.text.judging.comparison import Judges
from churnsaver_assets.text.judging.judge import Judged, judged
from churnsaver_assets.text.judging.report import BestOfN
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.judge import (
    SAMPLING,
    SEED,
    SPEC,
    LetterScorer,
    held_out,
    message_reward,
    says_bad,
)


def test_kl_by_hand() -> None:
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(2) == pytest.approx(log(2) - 0.5)
    with pytest.raises(ValueError, match="at least 1"):
        best_of_n_kl(0.5)


@given(st.integers(2, 5))
def test_the_bound_is_the_kl_where_no_samples_tie(n: int) -> None:
    # Best of n of a uniform score on [0, 1] has density n x^(n-1).
    x = np.linspace(1e-9, 1, 200_001)
    density = n * x ** (n - 1)
    kl = float(np.trapezoid(density * np.log(density), x))

    assert best_of_n_kl(n) == pytest.approx(kl, abs=1e-4)


@given(st.floats(1.01, 9e5))
def test_the_matched_n_spends_that_kl(n: float) -> None:
    found = matched_n(best_of_n_kl(n))

    assert found == pytest.approx(n, rel=1e-4)


def test_no_n_matches_a_kl_out_of_reach() -> None:
    assert matched_n(0.0) == matched_n(-0.1) == 1.0
    assert matched_n(7.0) == pytest.approx(exp(8.0), rel=1e-3)
    assert matched_n(20.0) is None


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    return held_out(tiny_model, 12)


@pytest.fixture(scope="module")
def sft(
    tiny_model: Path,
    prompts: list[Prompt],
    hardware: HardwareSpec,
    shield: Shield,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Judged]:
    drawn = draw_completions(
        tiny_model,
        [prompt.text for prompt in prompts],
        SAMPLING,
        Run(hardware, 7, tmp_path_factory.mktemp("sft")),
        chunk=12,
    )
    scores = LetterScorer().score([""] * 12, [one.text for one in drawn])
    return judged(drawn, strict_verdicts(prompts, drawn, shield), scores, scores)


@pytest.fixture(scope="module")
def run(
    tiny_model: Path,
    prompts: list[Prompt],
    sft: list[Judged],
    hardware: HardwareSpec,
    shield: Shield,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[BestOfN, BestOfN, LetterScorer]:
    """Return the first run, the same again from its folder, and the scorer of the second."""
    folder = tmp_path_factory.mktemp("best-of-n")
    wording = msgspec.json.decode(default_wording(), type=Wording)

    def once(scorer: LetterScorer) -> BestOfN:
        return best_of_n(
            tiny_model,
            prompts,
            Judges(message_reward(shield, scorer), LetterScorer("e"), wording, says_bad),
            SPEC.model_copy(update={"best_of": (4, 1, 2), "chunk": 6}),
            sampling=SAMPLING,
            run=Run(hardware, SEED, folder),
            sft=sft,
            ppo_kl_per_message=0.2,
        )

    second = LetterScorer()
    return once(LetterScorer()), once(second), second


def test_more_samples_are_better_by_the_reward_that_chooses(
    run: tuple[BestOfN, BestOfN, LetterScorer],
) -> None:
    rows = run[0].rows

    assert [row.n for row in rows] == [1, 2, 4]
    assert rows[0].reward.mean < rows[1].reward.mean < rows[2].reward.mean
    assert rows[2].strict_pass_rate.mean > rows[0].strict_pass_rate.mean
    assert rows[2].over_sft.sent.win_rate.mean > 0.6
    assert [row.kl_bound for row in rows] == [best_of_n_kl(n) for n in (1, 2, 4)]


def test_ppo_is_set_beside_the_n_of_its_kl(run: tuple[BestOfN, BestOfN, LetterScorer]) -> None:
    found = run[0]

    assert found.nearest_n == 2  # log 2 - 1/2 = 0.19
    assert found.matched_n == pytest.approx(2.02, abs=0.02)
    assert found.within_reach


def test_a_run_that_is_done_draws_and_scores_nothing_again(
    run: tuple[BestOfN, BestOfN, LetterScorer],
) -> None:
    first, again, scorer = run

    assert again == first
    assert scorer.read == 0
