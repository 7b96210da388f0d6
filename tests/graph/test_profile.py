"""Profiles in the graph: another one is another experiment, and only where it says so."""

import dataclasses

import pytest

from churnsaver_assets.defs.experiment import EXPERIMENT_FILE, read_experiment
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.settings.assets import STAGES
from churnsaver_assets.experiments.spec import ExperimentError
from tests.support.graph.harness import Graph


def test_another_profile_is_another_experiment(graph: Graph) -> None:
    before, local = graph.version("experiment"), read_experiment(graph.load("experiment"))
    # The profile of the file as it is gives its bytes.
    assert graph.load("experiment")[EXPERIMENT_FILE] == graph.experiment.read_bytes()
    larger = dataclasses.replace(graph, profile="gcp")
    larger.run("experiment", *STAGES)
    assert larger.version("experiment") != before
    gcp = read_experiment(larger.load("experiment"))
    assert gcp.policy.threads > local.policy.threads
    assert gcp.policy.ppo.updates > local.policy.ppo.updates
    # What is learnt, and from what, is the same.
    assert gcp.assumptions == local.assumptions
    assert gcp.policy.network == local.policy.network
    with larger.instance() as instance:
        assert "ppo_policy" in {key.to_user_string() for key in unsynced(larger.defs, instance)}


def test_an_unknown_profile_is_an_error_and_names_the_known(graph: Graph) -> None:
    with pytest.raises(ExperimentError, match=r"profile 'tpu': unknown; .*'gcp', 'local'"):
        dataclasses.replace(graph, profile="tpu").run("experiment")
