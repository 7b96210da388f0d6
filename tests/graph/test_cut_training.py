"""A training that was cut goes on where it stopped, and its policy is the one of an uncut run."""

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.defs import policy
from tests.support.graph.harness import Graph

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.curves import UpdateFigures

CUT_AFTER = 4
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
    # None was made twice, none left out.
    assert seen == list(range(1, UPDATES + 1))
    assert graph.load("ppo_policy") == pristine.load("ppo_policy")
    assert not checkpoints.exists()
