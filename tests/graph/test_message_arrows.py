"""Every arrow to a message carries the real artefact: another one upstream, another one here."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path

import dagster as dg
import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.holidays import HOLIDAYS_FILE
from churnsaver_assets.defs.lib.versions import files_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import PpoSettings, PromptsSettings
from churnsaver_assets.defs.text.bank import BANK_FILE, fit_to_be_sent
from churnsaver_assets.defs.text.evaluation import read_text_evaluation
from churnsaver_assets.defs.text.models import scores_after_reload
from churnsaver_assets.defs.text.shared import (
    REPORT_FILE,
    SCALE_FILE,
    SHIELD_FILE,
    load_reward,
    message_reward,
    model_version,
)
from churnsaver_assets.defs.text.shield import SENDING_FILE, TEMPLATES_FILE, WORDING_FILE
from churnsaver_assets.defs.text.writers import writes_after_reload
from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.prompts.offers import contexts_of, decided_offers
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.reward.message_reward import fit_normaliser
from churnsaver_assets.text.reward.model import PROBE_FILE
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.runtime.limits.holidays import Holidays
from churnsaver_serving.runtime.messages.bank import MessageBank
from churnsaver_serving.runtime.messages.quiet_hours import QuietHours
from churnsaver_serving.runtime.messages.sending import Sending
from churnsaver_serving.runtime.messages.templates import Templates, ToneBodies
from churnsaver_serving.runtime.messages.wording import Wording
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from tests.support.graph.checks import verdict
from tests.support.graph.harness import Graph

GREEDY_PROMPTS = 3
WEIGHTS = "model.safetensors"


def copied(folder: Path, tmp_path: Path) -> Path:
    """Copy a model directory, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / f"{folder.name}-copy"))


def edit_probe(folder: Path, edit: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Change the weights of a stored reward model."""
    weights = load_file(folder / PROBE_FILE)
    save_file({name: edit(value) for name, value in weights.items()}, folder / PROBE_FILE)
    return folder


LEARNT_FROM_REWARD = ("reward_scale", "ppo_text_model", "message_bank")


@pytest.fixture(scope="module")
def another_reward(pristine: Graph, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """Return the graph with a reward model that likes what the first one disliked."""
    folder = tmp_path_factory.mktemp("reward")
    graph = pristine.copy(folder / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHURNSAVER_DATA", "sample")
        model = edit_probe(copied(graph.load("reward_model"), folder), np.negative)
        graph.replace("reward_model", model, model_version(model).value)
        graph.run(*LEARNT_FROM_REWARD)
    return graph


def test_another_reward_model_scores_rewards_trains_and_ranks_otherwise(
    pristine: Graph, another_reward: Graph
) -> None:
    for name in LEARNT_FROM_REWARD:
        assert another_reward.version(name) != pristine.version(name), name
    before, now = (
        msgspec.json.decode(graph.load("reward_scale")[SCALE_FILE])
        for graph in (pristine, another_reward)
    )
    assert now["mean"] == pytest.approx(-before["mean"], abs=1e-4)
    assert now["std"] == pytest.approx(before["std"], rel=1e-4)


def test_other_demonstrations_teach_another_model(pristine: Graph, tmp_path: Path) -> None:
    graph = pristine.copy(tmp_path / "copy")
    pairs = graph.load("sft_pairs")
    attributes = dict(pairs.attrs)
    pairs["reply"] = pairs["reply"].str.upper()
    pairs.attrs = attributes
    graph.replace("sft_pairs", pairs, "shouted")
    graph.run("sft_model")
    assert graph.version("sft_model") != pristine.version("sft_model")
    before, now = (one.load("sft_model") / REPORT_FILE for one in (pristine, graph))
    losses = [
        [step["loss"] for step in msgspec.json.decode(report.read_bytes())["loss"]]
        for report in (before, now)
    ]
    assert losses[0] != losses[1]


def test_another_judge_judges_otherwise_and_teaches_nothing(
    pristine: Graph, tmp_path: Path
) -> None:
    graph = pristine.copy(tmp_path / "copy")
    judge = edit_probe(copied(graph.load("gold_judge"), tmp_path), np.negative)
    graph.replace("gold_judge", judge, model_version(judge).value)
    graph.run("text_evaluation")
    before, now = (
        read_text_evaluation(one.load("text_evaluation")).policies for one in (pristine, graph)
    )
    for policy, figures in before.items():
        # Not quite the opposite: the control for length stands in the card and was not negated.
        assert now[policy].gold.mean < 0 < figures.gold.mean
        assert now[policy].reward_model == figures.reward_model
        assert now[policy].strict_pass_rate == figures.strict_pass_rate
    # What is judged by must not be what is optimised for.
    graph_of_assets = graph.defs.resolve_asset_graph()
    downstream = graph_of_assets.get(dg.AssetKey("gold_judge")).child_keys
    assert downstream == {dg.AssetKey("text_evaluation")}


def test_the_same_messages_are_rewarded_otherwise(pristine: Graph, another_reward: Graph) -> None:
    totals = []
    for graph in (pristine, another_reward):
        settings = read_stage(graph.load("ppo_settings"), PpoSettings)
        start = pristine.load("rejection_model")
        tokenizer = load_tokenizer(start)
        asked = retention_prompts(
            tokenizer, contexts_of(pristine.load("retention_prompts").head(8))
        )
        written = generate(
            load_model(start, settings.hardware, dtype="float32"),
            tokenizer,
            [prompt.text for prompt in asked],
            sampling=settings.sampling,
            seed=1,
        )
        reward = message_reward(
            load_reward(graph.load("reward_model"), graph.load("base_model"), settings.hardware),
            graph.load("reward_scale"),
            graph.load("shield_rules"),
            settings,
        )
        totals.append(reward(asked, written))
    assert (totals[0].safety == totals[1].safety).all()
    assert totals[0].reward_model == pytest.approx(-totals[1].reward_model, abs=1e-3)
    assert not np.allclose(totals[0].total, totals[1].total)


def test_a_constant_reward_model_fails_its_check_and_sets_no_scale(
    pristine: Graph, tmp_path: Path
) -> None:
    base, pairs = pristine.load("base_model"), pristine.load("preference_pairs")
    settings = pristine.load("reward_model_settings")
    model = pristine.load("reward_model")
    assert verdict(scores_after_reload, model, base, pairs, settings).passed
    constant = edit_probe(copied(model, tmp_path), np.zeros_like)
    assert not verdict(scores_after_reload, constant, base, pairs, settings).passed
    parsed = read_stage(pristine.load("ppo_settings"), PpoSettings)
    start = pristine.load("rejection_model")
    tokenizer = load_tokenizer(start)
    asked = retention_prompts(tokenizer, contexts_of(pristine.load("retention_prompts").head(4)))
    written = generate(
        load_model(start, parsed.hardware, dtype="float32"),
        tokenizer,
        [prompt.text for prompt in asked],
        sampling=parsed.sampling,
        seed=1,
    )
    with pytest.raises(ValueError, match="nothing to learn from a constant reward"):
        fit_normaliser(load_reward(constant, base, parsed.hardware), asked, written)


def test_the_bank_carries_its_writers_hash_and_the_release_the_bank(pristine: Graph) -> None:
    writer = pristine.load("ppo_text_model")
    bank = msgspec.json.decode(pristine.load("message_bank")[BANK_FILE], type=MessageBank)
    assert bank.checkpoint == model_version(writer).value == pristine.version("ppo_text_model")
    assert bank.contexts
    assert pristine.release().messages.bank == bank.checkpoint


def test_a_bank_of_another_writer_fails_its_check(pristine: Graph, tmp_path: Path) -> None:
    files, shield = pristine.load("message_bank"), pristine.load("shield_rules")
    settings, writer = pristine.load("bank_settings"), pristine.load("ppo_text_model")
    assert verdict(fit_to_be_sent, files, writer, shield, settings).passed
    other = pristine.load("rejection_model")
    assert not verdict(fit_to_be_sent, files, other, shield, settings).passed
    bank = msgspec.json.decode(files[BANK_FILE])
    key = next(iter(bank["contexts"]))
    bank["contexts"][key][0]["body"] = "Act now or lose it all. We are the best, and you know it."
    changed = files | {BANK_FILE: msgspec.json.encode(bank)}
    assert not verdict(fit_to_be_sent, changed, writer, shield, settings).passed


def test_a_context_with_nothing_to_send_fails_the_banks_check(pristine: Graph) -> None:
    files, shield = pristine.load("message_bank"), pristine.load("shield_rules")
    settings, writer = pristine.load("bank_settings"), pristine.load("ppo_text_model")
    bad = ToneBodies(*["Act now or lose it all. We are the best, and you know it."] * 3)
    changed = shield | {TEMPLATES_FILE: msgspec.json.encode(Templates(bad, bad))}
    assert not verdict(fit_to_be_sent, files, writer, changed, settings).passed


def test_other_quiet_hours_are_in_the_release(pristine: Graph, tmp_path: Path) -> None:
    graph = pristine.copy(tmp_path / "copy")
    sending = msgspec.json.decode(graph.load("sending_hours")[SENDING_FILE], type=Sending)
    hours = QuietHours(start=time(20), end=time(8))
    assert pristine.release().messages.sending.hours != hours
    files = {SENDING_FILE: msgspec.json.encode(msgspec.structs.replace(sending, hours=hours))}
    graph.replace("sending_hours", files, files_version(files).value)
    done = graph.bring_up_to_date()
    assert graph.release().messages.sending.hours == hours
    assert set(done.ran) == {"experiment", "release"}


def test_other_holidays_are_in_the_release_and_close_their_days(
    pristine: Graph, tmp_path: Path
) -> None:
    graph = pristine.copy(tmp_path / "copy")
    holidays = msgspec.json.decode(graph.load("contact_holidays")[HOLIDAYS_FILE], type=Holidays)
    monday = datetime(2026, 11, 23, 15, tzinfo=UTC)
    national = holidays.national | {"US": (*holidays.national["US"], monday.date())}
    changed = msgspec.structs.replace(holidays, national=national)
    files = {HOLIDAYS_FILE: msgspec.json.encode(changed)}
    graph.replace("contact_holidays", files, files_version(files).value)
    done = graph.bring_up_to_date()
    assert set(done.ran) == {"experiment", "policy_evaluation", "release"}
    before, after = (Decider(one.release()).calendar for one in (pristine, graph))
    assert before.open_days(monday, "America/Chicago", None, (0, 1))[1] == (True, True)
    assert after.open_days(monday, "America/Chicago", None, (0, 1))[1] == (False, True)


def test_a_stored_model_writes_the_same_text_wherever_it_is_loaded(
    pristine: Graph, tmp_path: Path
) -> None:
    model, prompts = pristine.load("ppo_text_model"), pristine.load("retention_prompts")
    settings = read_stage(pristine.load("ppo_settings"), PpoSettings)
    held_out = prompts[prompts["split"] == "holdout"].head(GREEDY_PROMPTS)
    texts = []
    for folder in (model, copied(model, tmp_path)):
        tokenizer = load_tokenizer(folder)
        asked = retention_prompts(tokenizer, contexts_of(held_out))
        texts.append(
            generate(
                load_model(folder, settings.hardware, dtype="float32"),
                tokenizer,
                [prompt.text for prompt in asked],
                sampling=settings.sampling,
                seed=1,
                greedy=True,
            )
        )
    assert texts[0] == texts[1]
    assert model_version(copied_again(model, tmp_path)) == model_version(model)


def test_a_writer_that_writes_nothing_fails_its_check(pristine: Graph, tmp_path: Path) -> None:
    writer = pristine.load("ppo_text_model")
    prompts, settings = pristine.load("retention_prompts"), pristine.load("ppo_settings")
    assert verdict(writes_after_reload, writer, prompts, settings).passed
    silent = copied(writer, tmp_path)
    weights = load_file(silent / WEIGHTS)
    # All logits equal: greedily, the first token is drawn, which is the one for empty output.
    save_file({name: np.zeros_like(value) for name, value in weights.items()}, silent / WEIGHTS)
    assert not verdict(writes_after_reload, silent, prompts, settings).passed


def copied_again(folder: Path, tmp_path: Path) -> Path:
    """Copy a model with another report, which is no part of the model's version."""
    copy = Path(shutil.copytree(folder, tmp_path / "again"))
    (copy / "report.json").write_text("{}")
    return copy


def test_other_wording_is_sent_and_other_rules_are_another_bank(
    pristine: Graph, tmp_path: Path
) -> None:
    graph = pristine.copy(tmp_path / "copy")
    rules = graph.load("shield_rules")
    wording = msgspec.json.decode(rules[WORDING_FILE], type=Wording)
    other = msgspec.structs.replace(wording, sender="Southwind Telecom")
    files = rules | {WORDING_FILE: msgspec.json.encode(other)}
    graph.replace("shield_rules", files, "other-wording")
    graph.run("message_bank")
    kept = graph.load("message_bank")
    assert b"Southwind Telecom" in kept["bank.csv"]
    assert b"Northwind" not in kept["bank.csv"]
    changed = rules[SHIELD_FILE].replace(b'"version"', b'"version" ')
    assert changed != rules[SHIELD_FILE]
    graph.replace("shield_rules", files | {SHIELD_FILE: changed}, "other-rules")
    inputs = [graph.load(name) for name in ("ppo_text_model", "shield_rules", "bank_settings")]
    assert not verdict(fit_to_be_sent, kept, *inputs).passed


def test_prompts_are_of_the_customers_whom_the_policy_contacts(pristine: Graph) -> None:
    prompts = pristine.load("retention_prompts")
    splits = pristine.load("telco_splits")
    side = dict(zip(splits["customer_id"], splits["split"], strict=True))
    assert (prompts["customer_id"].map(side) == prompts["split"]).all()
    settings = read_stage(pristine.load("prompts_settings"), PromptsSettings)
    assert set(prompts["offer_pct"]) <= set(settings.offers_pct)


def test_training_offers_are_explored_and_held_out_ones_are_as_decided(pristine: Graph) -> None:
    settings = read_stage(pristine.load("prompts_settings"), PromptsSettings)
    policy = LearnedPolicy.from_files(pristine.load("ppo_policy"))
    environment, prompts = (
        pristine.load("retention_environment"),
        pristine.load("retention_prompts"),
    )

    def as_decided(split: str, setting: Setting) -> float:
        decided = decided_offers(policy, setting, seed=settings.seed)
        some = prompts[prompts["split"] == split]
        return float((some["customer_id"].map(decided) == some["offer_pct"]).mean())

    assert settings.prompts.explored == 0.5
    assert as_decided("holdout", holdout_setting(environment, settings)) == 1.0
    assert 0.3 < as_decided("train", training_setting(environment, settings)) < 0.8
