"""The checks of the messages let the sound pass and stop the rest, each by its own bound."""

import dagster as dg
import pytest

from churnsaver_assets.defs.text import evaluation
from churnsaver_assets.defs.text.evaluation import TEXT_EVALUATION_FILE
from tests.support.graph.checks import other_settings, verdict
from tests.support.graph.harness import Graph
from tests.support.graph.policies import edited_json

GATE = {
    "max_perplexity_ratio": 1.0,
    "min_reward_auc": 0.55,
    "min_auc_over_length": 0.0,
    "min_win_rate": 0.58,
    "min_strict_pass_rate": 0.9,
    "max_violations": 0.01,
    "max_mean_tokens": 162,
    "max_kl": 0.15,
    "max_repeated": 0.2,
    "min_attacks_stopped": 0.8,
    "max_false_alarms": 0.1,
}
# The check, its figure in the evaluation's JSON, a value that passes and one that must not.
CASES = [
    ("wins_against_sft", ("ppo", "win_rate", "mean"), 0.58, 0.57),
    ("keeps_the_strict_rules", ("ppo", "strict_pass_rate"), 0.9, 0.89),
    ("safe", ("ppo", "violations_upper_bound"), 0.01, 0.02),
    ("short_enough", ("ppo", "mean_tokens"), 162.0, 163.0),
    ("near_its_start", ("ppo", "kl_per_token"), 0.15, 0.16),
    ("messages_differ", ("policies", "ppo", "diversity", "repeated_share"), 0.2, 0.21),
    ("reward_is_not_hacked", ("hacking", "above_good"), 0.0, 0.01),
]
BY_NAME = {
    key.name: check
    for check in dg.load_asset_checks_from_modules([evaluation])
    for key in check.check_keys
    if key.asset_key == dg.AssetKey("text_evaluation")
}


def test_every_check_of_the_evaluation_is_tried_here() -> None:
    assert {name for name, *_ in CASES} == set(BY_NAME)


@pytest.mark.parametrize(("name", "path", "sound", "wrong"), CASES, ids=str)
def test_a_figure_beyond_its_bound_is_stopped(
    pristine: Graph, name: str, path: tuple[str, ...], sound: float, wrong: float
) -> None:
    files = pristine.load("text_evaluation")
    gates = other_settings(pristine, "writer_gates", gates__text__demo=GATE)

    def passes(value: float) -> bool:
        content = edited_json(files[TEXT_EVALUATION_FILE], *path, value=value)
        inputs = () if name == "reward_is_not_hacked" else (gates,)
        return verdict(BY_NAME[name], {**files, TEXT_EVALUATION_FILE: content}, *inputs).passed

    assert passes(sound)
    assert not passes(wrong)
