"""One release, with the message bank where one is current and sound, else with the templates."""

import shutil

import dagster as dg
import pytest
from rich.console import Console
from upath import UPath

from churnsaver_assets.commands.demo import TARGETS
from churnsaver_assets.commands.graph import GraphFailed, Materialised, materialise, upstream_of
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.release import MESSAGE_BANK
from churnsaver_serving.runtime.manifest import MessageSource
from churnsaver_serving.runtime.messages.bank import BANK_FILE
from tests.support.graph.harness import Graph
from tests.support.graph.served import Ask

TEXT_CHECKS = {"text_evaluation", "message_bank", "ppo_text_model", "sft_model", "reward_model"}


def forget(graph: Graph, *names: str) -> None:
    """Take back that these assets were ever made."""
    with graph.instance() as instance:
        instance.wipe_assets([dg.AssetKey(name) for name in names])
    for name in names:
        shutil.rmtree(graph.home / "assets" / name)


def demo(graph: Graph) -> Materialised:
    """What `make demo` does with the graph, but for the sources, which stay as they are."""
    needed = upstream_of(graph.defs, TARGETS)
    quiet, roots = Console(quiet=True), [dg.AssetKey("experiment")]
    with graph.instance() as instance:
        return materialise(graph.defs, instance, quiet, roots=roots, only=needed)


def has_templates_alone(graph: Graph, reason: str) -> None:
    """The current release has no bank, says why, and claims nothing of a bank's checks."""
    release = graph.release()
    manifest = release.manifest
    assert manifest.messages is not None
    assert manifest.messages.source == "templates"
    assert reason in str(manifest.messages.reason)
    assert BANK_FILE not in manifest.files
    assert release.messages.bank is None
    assert "messages" not in manifest.metrics
    assert not set(MESSAGE_BANK.values()) & set(manifest.upstream)
    assert not TEXT_CHECKS & {check.asset for check in manifest.checks}
    # What templates are said by has its own check, and no release is without it.
    assert "shield_report" in {check.asset for check in manifest.checks}


def test_a_current_bank_is_in_the_release_with_its_checks(pristine: Graph) -> None:
    manifest = pristine.release().manifest
    assert manifest.messages == MessageSource("bank", None)
    assert BANK_FILE in manifest.files
    assert set(MESSAGE_BANK.values()) <= set(manifest.upstream)
    assert {check.asset for check in manifest.checks} >= TEXT_CHECKS
    assert manifest.metrics["messages"]["full_scale"] == 0.0


def test_without_a_bank_it_says_so_serves_templates_and_is_up_to_date(
    graph: Graph, ask: Ask
) -> None:
    forget(graph, "message_bank")
    graph.run("release")
    has_templates_alone(graph, "no message bank was made")
    needed = upstream_of(graph.defs, TARGETS)
    assert not {dg.AssetKey(name) for name in ("message_bank", "sft_model")} & needed
    with graph.instance() as instance:
        assert unsynced(graph.defs, instance) & needed == set()
    sources = {one["message"]["rung"] for one in ask(graph) if one["message"] is not None}
    assert sources == {"template"}
    # Once there is a bank, the release is made again and has it.
    done = graph.bring_up_to_date()
    assert {"message_bank", "release"} <= set(done.ran)
    assert graph.release().manifest.messages == MessageSource("bank", None)


def test_the_graph_of_the_demo_needs_no_text_model(graph: Graph) -> None:
    text = ("sft_model", "reward_model", "ppo_text_model", "text_evaluation", "message_bank")
    forget(graph, *text, "release")
    done = demo(graph)
    assert set(done.ran) == {"experiment", "release"}
    has_templates_alone(graph, "no message bank was made")


def test_a_bank_of_other_settings_is_left_out(graph: Graph) -> None:
    graph.edit_experiment(text__bank__candidates=7)
    graph.run("experiment", "bank_settings")
    with pytest.raises(GateClosed, match="settings was made from another experiment"):
        graph.run("release")  # for the rest of the settings are not up to date
    needed = upstream_of(graph.defs, TARGETS)
    with graph.instance() as instance:
        materialise(
            graph.defs,
            instance,
            Console(quiet=True),
            roots=[dg.AssetKey("experiment")],
            only=needed,
        )
    has_templates_alone(graph, "message_bank was made from another bank_settings than the latest")


def test_a_bank_whose_check_failed_is_left_out_and_named(graph: Graph) -> None:
    graph.edit_experiment(gates__text__demo__min_win_rate=1.0)
    with pytest.raises(GraphFailed, match="text_evaluation:wins_against_sft"):
        graph.bring_up_to_date()
    graph.run("release")
    has_templates_alone(graph, "text_evaluation:wins_against_sft failed in run")


def test_a_bank_that_is_recorded_and_gone_is_left_out(graph: Graph) -> None:
    shutil.rmtree(graph.home / "assets" / "message_bank")
    graph.run("release")
    has_templates_alone(graph, "no artefact there")


def test_a_bank_that_was_changed_by_hand_closes_the_gate(graph: Graph) -> None:
    before = graph.release().id
    files = graph.load("message_bank")
    graph.overwrite("message_bank", files | {"bank.json": files["bank.json"] + b" "})
    with pytest.raises(GateClosed, match="stored value of message_bank is not the one"):
        graph.run("release")
    assert graph.release().id == before
    assert UPath(graph.home / "releases" / before).is_dir()


def test_a_failed_check_of_the_models_that_decide_still_closes_the_gate(graph: Graph) -> None:
    forget(graph, "message_bank")
    graph.edit_experiment(gates__sample__policy__min_headroom=1.0)
    with pytest.raises(GraphFailed, match="policy_evaluation:headroom"):
        graph.bring_up_to_date()
    with pytest.raises(GateClosed, match="policy_evaluation:headroom failed"):
        graph.run("release")
