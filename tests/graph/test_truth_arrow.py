"""The other family of models is the truth that `make evaluate-policy` plays customers by."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from churnsaver_assets.commands.evaluate_policy import load_values, prepared
from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.evaluation.trained import Training, Workshop
from churnsaver_assets.decision.simulator.cohort_files import NUMBERS_FILE, read_cohort
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from tests.support.graph.harness import Graph


class AsInTheGraph(Workshop):
    """Tunes and trains nothing: the baselines are the graph's own."""

    def tuned(self, training: Training, wanted: Sequence[Conditions]) -> dict[str, bytes]:
        del wanted
        return dict(training.files)

    def trained(self, training: Training, seeds: Sequence[int]) -> dict[int, LearnedPolicy]:
        del training, seeds
        return {}


def test_customers_are_played_by_the_truth_and_judged_by_the_models(
    graph: Graph, tmp_path: Path
) -> None:
    with graph.instance() as instance:
        values = load_values(graph.defs, instance)
    with ProcessPoolExecutor(1) as pool:
        workshop = AsInTheGraph(pool, tmp_path, "", lambda _: None)
        before = prepared(values, "smoke", workshop).ground
        # The models' own scores in the place of the other family's.
        same = values["simulated_truth"] | {
            NUMBERS_FILE: values["retention_environment"][NUMBERS_FILE]
        }
        after = prepared(values | {"simulated_truth": same}, "smoke", workshop).ground
    assert before.truth is not None
    assert after.truth is not None
    assert (before.truth.risk == read_cohort(values["simulated_truth"], "holdout").risk).all()
    assert (before.truth.risk != before.cohort.risk).any(axis=1).all()
    np.testing.assert_array_equal(after.truth.risk, after.cohort.risk)
    np.testing.assert_array_equal(after.cohort.risk, before.cohort.risk)
