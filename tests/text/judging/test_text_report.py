from pathlib import Path

import msgspec
import pytest

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.judging.comparison import Judges
from churnsaver_assets.text.judging.evaluate import TrainingReports, evaluate_text
from churnsaver_assets.text.judging.markdown import evaluation_markdown
from churnsaver_assets.text.judging.plots import best_of_n_png, breaches_png, win_rates_png
from churnsaver_assets.text.judging.report import TextEvaluation
from churnsaver_assets.text.model.perplexity import PerplexityComparison, PerplexityReport
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.evaluation import SourceFigures
from churnsaver_assets.text.reward.probe import Trial
from churnsaver_assets.text.reward.report import RewardReport
from churnsaver_assets.text.reward.sequences import Truncation
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.judge import (
    SAMPLING,
    SEED,
    SPEC,
    LetterScorer,
    held_out,
    message_reward,
    shaken,
)


def perplexity() -> PerplexityComparison:
    def of(mean: float) -> PerplexityReport:
        return PerplexityReport(Interval(mean, mean - 1, mean + 1), rows=40, tokens=900)

    return PerplexityComparison(of(14.0), of(12.0), Interval(-0.15, -0.2, -0.1))


def trained() -> RewardReport:
    best = Trial("reply", 100.0, 0.66, 0.6)
    figures = {
        name: SourceFigures(
            pairs=100,
            prompts=90,
            ties=0,
            accuracy=Interval(0.62, 0.55, 0.7),
            auc=0.66,
            length_only_accuracy=0.57,
            length_only_interval=Interval(0.57, 0.5, 0.64),
            length_only_auc=0.6,
            over_length=Interval(0.05, -0.05, 0.15),
        )
        for name in ("hh_rlhf", "all")
    }
    return RewardReport(
        kind="probe",
        sha256="a" * 64,
        base_sha256="b" * 64,
        seed=SEED,
        training_pairs={"hh_rlhf": 300},
        truncation=Truncation(200, 3, 4, 90.0),
        best=best,
        trials=(best,),
        probe=figures,
        lora=None,
        size_curve=(),
        curves=None,
        length_control=None,
        seconds={},
        features_per_second=None,
    )


def reports() -> TrainingReports:
    return TrainingReports("demo", perplexity(), trained(), trained())


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    return held_out(tiny_model, 16)


@pytest.fixture(scope="module")
def evaluation(
    tiny_model: Path,
    prompts: list[Prompt],
    hardware: HardwareSpec,
    shield: Shield,
    tmp_path_factory: pytest.TempPathFactory,
) -> TextEvaluation:
    folder = tmp_path_factory.mktemp("evaluation")
    moved = shaken(tiny_model, folder / "moved", hardware)
    judges = Judges(
        message_reward(shield, LetterScorer(), clip=0.7),
        LetterScorer("e"),
        msgspec.json.decode(default_wording(), type=Wording),
        lambda texts: [() for _ in texts],
    )
    return evaluate_text(
        {"sft": moved, "rejection": tiny_model, "ppo": tiny_model},
        prompts,
        judges,
        SPEC.model_copy(update={"prompts": 12, "best_of": (1, 2)}),
        sampling=SAMPLING,
        run=Run(hardware, SEED, folder / "work"),
        reports=reports(),
        examples=5,
    )


def test_the_file_has_the_shape_that_was_agreed(evaluation: TextEvaluation) -> None:
    found = msgspec.json.decode(evaluation.to_json())

    assert found["sft"]["perplexity"] == 12.0
    assert found["sft"]["base_perplexity"] == 14.0
    for figures in found["reward_model"].values():
        assert set(figures["accuracy"]) == {"mean", "low", "high"}
        assert {"auc", "length_only_accuracy", "pairs"} <= set(figures)
    ppo = found["ppo"]
    for name in ("strict_pass_rate", "sft_strict_pass_rate", "mean_tokens", "kl_per_token"):
        assert isinstance(ppo[name], float)
    for name in ("win_rate", "gold_win_rate"):
        assert set(ppo[name]) == {"mean", "low", "high"}
    assert isinstance(ppo["violations"], int)
    assert isinstance(ppo["messages"], int)
    assert msgspec.json.decode(evaluation.to_json(), type=TextEvaluation) == evaluation


def test_the_headline_is_that_of_the_full_figures(evaluation: TextEvaluation) -> None:
    ppo, policies = evaluation.ppo, evaluation.policies
    over = evaluation.comparisons["ppo_over_sft"]

    assert evaluation.prompts == 12
    assert ppo.strict_pass_rate == policies["ppo"].strict_pass_rate.mean
    assert ppo.sft_strict_pass_rate == policies["sft"].strict_pass_rate.mean
    assert ppo.strict_pass_rate > ppo.sft_strict_pass_rate  # sft is the shaken model here
    assert ppo.win_rate == over.sent.win_rate
    assert ppo.gold_win_rate == over.gold.length_controlled.win_rate
    assert ppo.messages == policies["ppo"].second_look.messages
    assert ppo.win_rate_over_rejection.mean == 0.5  # one checkpoint under two names
    assert set(evaluation.comparisons) == {
        "ppo_over_sft",
        "ppo_over_rejection",
        "rejection_over_sft",
    }


def test_examples_are_chosen_by_a_hash_and_show_all_policies(
    evaluation: TextEvaluation, prompts: list[Prompt]
) -> None:
    from hashlib import sha256

    first = sorted(
        (prompt.id for prompt in prompts[:12]), key=lambda one: sha256(one.encode()).hexdigest()
    )[:5]

    assert [one.prompt_id for one in evaluation.examples] == first
    assert all(set(one.bodies) == {"sft", "rejection", "ppo"} for one in evaluation.examples)


def test_the_markdown_has_all_tables_and_says_what_scale(evaluation: TextEvaluation) -> None:
    text = evaluation_markdown(evaluation)

    assert "Demo scale" in text
    for heading in (
        "Policies",
        "Win-rates",
        "Best of n",
        "Reward hacking",
        "Messages side by side",
    ):
        assert f"\n## {heading}" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    tables = [block for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) >= 8
    for block in tables:
        widths = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(widths) == 1
    assert len(rows) > 40
    full = msgspec.structs.replace(evaluation, scale="full")
    assert "Demo scale" not in evaluation_markdown(full)


def test_what_a_model_wrote_has_no_power_over_the_page(evaluation: TextEvaluation) -> None:
    evil = "a | b\n# big <script>x</script> [link](http://x) **bold**"
    example = msgspec.structs.replace(
        evaluation.examples[0], bodies=dict.fromkeys(("sft", "rejection", "ppo"), evil)
    )
    text = evaluation_markdown(msgspec.structs.replace(evaluation, examples=(example,)))

    assert "<script>" not in text.replace("\\<", "")
    assert "\n# big" not in text
    assert "**bold**" not in text
    assert "[link](" not in text.replace("\\[", "").replace("\\]", "")


def test_pictures_are_drawn_the_same_each_time(evaluation: TextEvaluation) -> None:
    for draw in (breaches_png, win_rates_png, best_of_n_png):
        picture = draw(evaluation)
        assert picture.startswith(b"\x89PNG")
        assert picture == draw(evaluation)


def test_best_of_n_may_be_left_out(evaluation: TextEvaluation) -> None:
    without = msgspec.structs.replace(evaluation, best_of_n=None)

    assert "Not run." in evaluation_markdown(without)
    with pytest.raises(ValueError, match=r"judge\.best_of"):
        best_of_n_png(without)


def test_definitions_stand_beside_the_figures(evaluation: TextEvaluation) -> None:
    for name in ("win_rate", "gold_win_rate", "kl_per_token", "violations", "mean_tokens"):
        assert len(evaluation.definitions[name]) > 20


def test_too_few_prompts_are_an_error(
    tiny_model: Path, hardware: HardwareSpec, shield: Shield, tmp_path: Path
) -> None:
    judges = Judges(
        message_reward(shield, LetterScorer()),
        LetterScorer("e"),
        msgspec.json.decode(default_wording(), type=Wording),
        lambda texts: [() for _ in texts],
    )
    with pytest.raises(ValueError, match="24 held-out prompts, got 3"):
        evaluate_text(
            {"sft": tiny_model, "rejection": tiny_model, "ppo": tiny_model},
            held_out(tiny_model, 3),
            judges,
            SPEC,
            sampling=SAMPLING,
            run=Run(hardware, SEED, tmp_path),
            reports=reports(),
        )
