from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.judging.scores import Remembered, kept_scores
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.run import Run
from tests.support.text.judge import LetterScorer, held_out


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    return held_out(tiny_model, 16)


def test_remembered_scores_are_read_once() -> None:
    scorer = LetterScorer()
    remembered = Remembered(scorer)

    assert remembered.score(["a", "a", "b"], ["stay", "stay", "less"]).tolist() == [1, 1, 2]
    assert remembered.score(["b", "c"], ["less", "sss"]).tolist() == [2, 3]
    assert scorer.read == 3
    assert remembered.sha256 == scorer.sha256


def test_kept_scores_are_made_anew_for_another_maker(
    prompts: list[Prompt], hardware: HardwareSpec, tmp_path: Path
) -> None:
    written = [Completion("stay", 2, finished=True)] * 16
    calls: list[int] = []

    def score(asked: Sequence[Prompt], _: Sequence[Completion]) -> dict[str, np.ndarray]:
        calls.append(len(asked))
        return {"one": np.full(len(asked), 1.5)}

    for maker in ("a", "a", "b"):
        found = kept_scores(
            score, prompts, written, Run(hardware, 1, tmp_path), made_by=[maker], chunk=6
        )
        assert found["one"].tolist() == [1.5] * 16

    assert calls == [6, 6, 4] * 2
