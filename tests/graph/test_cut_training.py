"""A training that was cut goes on where it stopped, and its policy is the one of an uncut run."""

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.defs import policy
from tests.support.graph.harness import Graph

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.curves import UpdateFigures

CUT_AFTER = 4
SAVED = 2  # an episode has two updates, and is saved at its end
UPDATES = 6


class Cut(Exception):
    """Stands for a run that was killed."""


def test_a_cut_training_is_resumed_and_gives_the_same_bytes(
    graph: Graph, pristine: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def log(self: policy._Log, figures: "UpdateFigures") -> None:
        seen.append(figures.update)
        if len(seen) == CUT_AFTER:
            raise Cut

    monkeypatch.setattr(policy._Log, "__call__", log)
    # Without the artefact of before, nothing but the training can give it.
    graph.overwrite("ppo_policy", {"no": b"policy"})
    with pytest.raises(Cut):
        graph.run("ppo_policy")
    checkpoints = graph.home / "checkpoints" / "ppo_policy"
    assert checkpoints.is_dir()

    graph.run("ppo_policy")
    # From the last episode that was whole: nothing before it was made twice, nothing left out.
    assert seen[:CUT_AFTER] == list(range(1, CUT_AFTER + 1))
    assert seen[CUT_AFTER:] == list(range(SAVED + 1, UPDATES + 1))
    assert graph.load("ppo_policy") == pristine.load("ppo_policy")
    assert not checkpoints.exists()
