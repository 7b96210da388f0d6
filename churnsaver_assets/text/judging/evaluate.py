"""The whole evaluation of the text models, from model directories to `TextEvaluation`."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from churnsaver_assets.experiments.text_spec import JudgeSpec, SamplingSpec, TextScale
from churnsaver_assets.text.judging.best_of_n import best_of_n
from churnsaver_assets.text.judging.comparison import (
    REFERENCE,
    Judges,
    PolicyComparison,
    PolicyName,
    compare_policies,
    token_counter,
)
from churnsaver_assets.text.judging.hacking import HackingReport, hacking_report
from churnsaver_assets.text.judging.report import (
    DEFINITIONS,
    PpoFigures,
    SftFigures,
    SideBySide,
    TextEvaluation,
)
from churnsaver_assets.text.model.perplexity import PerplexityComparison
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.report import RewardReport
from churnsaver_assets.text.run import Run

_HACKED_BODIES = 50
_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class TrainingReports:
    """Reports of the trainings that are evaluated together.

    Attributes:
        scale: Scale that the models were trained at.
        sft: Held-out perplexities, from the fine-tuning's report.
        reward_model: Report of the reward model's training.
        gold_judge: Report of the gold judge's training.
    """

    scale: TextScale
    sft: PerplexityComparison
    reward_model: RewardReport
    gold_judge: RewardReport


def evaluate_text(
    models: Mapping[PolicyName, Path],
    prompts: Sequence[Prompt],
    judges: Judges,
    spec: JudgeSpec,
    *,
    sampling: SamplingSpec,
    run: Run,
    reports: TrainingReports,
    examples: int = _EXAMPLES,
) -> TextEvaluation:
    """Compare the policies, run best-of-n and the reward-hacking test, and put all together.

    Args:
        models: Model directories of the policies, see `compare_policies`.
        prompts: Held-out prompts; the first `spec.prompts` are used.
        judges: Reward, gold judge, wording and classifiers.
        spec: Number of prompts, sizes of best-of-n (none: it isn't run), resamples, chunks.
        sampling: Longest body, batch; its temperature isn't used.
        run: Device and threads, seed for draws and bootstrap, folder of unfinished work, progress.
        reports: Reports of the models' trainings.
        examples: Number of prompts shown side by side.

    Raises:
        ValueError: There are fewer prompts than asked for, a policy is missing, or no body passes
            the rules.
    """
    if len(prompts) < spec.prompts:
        raise ValueError(
            f"judge.prompts asks for {spec.prompts} held-out prompts, got {len(prompts)}"
        )
    found = compare_policies(
        models,
        prompts[: spec.prompts],
        judges,
        spec,
        sampling=sampling,
        run=run.within("policies"),
    )
    spent = found.figures["ppo"].kl_per_message
    if spent is None:
        raise ValueError("PPO's KL to the model it began at wasn't measured")
    sampled = None
    if spec.best_of:
        sampled = best_of_n(
            models[REFERENCE],
            found.prompts,
            judges,
            spec,
            sampling=sampling,
            run=run.within("best-of-n"),
            sft=found.judged["sft"],
            ppo_kl_per_message=spent.mean,
        )
    return TextEvaluation(
        scale=reports.scale,
        prompts=len(found.prompts),
        sft=SftFigures.of(reports.sft),
        reward_model=reports.reward_model.figures,
        reward_probe=reports.reward_model.probe,
        ppo=_headline(found),
        policies={str(name): figures for name, figures in found.figures.items()},
        comparisons=found.comparisons,
        gold_judge=reports.gold_judge.figures,
        best_of_n=sampled,
        hacking=_hacked(found, judges, token_counter(models["ppo"])),
        examples=_side_by_side(found, examples),
        definitions=DEFINITIONS,
    )


def _side_by_side(found: PolicyComparison, examples: int) -> tuple[SideBySide, ...]:
    """Show prompts with the smallest sha256 of their ids: chosen before anyone reads them."""
    order = sorted(
        range(len(found.prompts)),
        key=lambda row: hashlib.sha256(found.prompts[row].id.encode()).hexdigest(),
    )
    return tuple(
        SideBySide(
            prompt_id=found.prompts[row].id,
            context=found.prompts[row].context.key,
            bodies={str(name): rows[row].completion.text for name, rows in found.judged.items()},
            broken={str(name): rows[row].verdict.rules for name, rows in found.judged.items()},
        )
        for row in order[:examples]
    )


def _headline(found: PolicyComparison) -> PpoFigures:
    ppo, sft = found.figures["ppo"], found.figures["sft"]
    over_sft = found.comparisons["ppo_over_sft"]
    over_start = found.comparisons[f"ppo_over_{REFERENCE}"]
    if ppo.kl_per_token is None:
        raise ValueError("PPO's KL to the model it began at wasn't measured")
    return PpoFigures(
        strict_pass_rate=ppo.strict_pass_rate.mean,
        sft_strict_pass_rate=sft.strict_pass_rate.mean,
        rejection_strict_pass_rate=found.figures[REFERENCE].strict_pass_rate.mean,
        strict_pass_gain=over_sft.strict_pass_difference,
        win_rate=over_sft.sent.win_rate,
        gold_win_rate=over_sft.gold.length_controlled.win_rate,
        win_rate_over_rejection=over_start.sent.win_rate,
        gold_win_rate_over_rejection=over_start.gold.length_controlled.win_rate,
        win_minus_loss=over_sft.sent.win_minus_loss,
        mean_tokens=ppo.mean_tokens,
        kl_per_token=ppo.kl_per_token.mean,
        violations=ppo.second_look.violations,
        violations_upper_bound=ppo.second_look.upper_bound,
        messages=ppo.second_look.messages,
    )


def _hacked(found: PolicyComparison, judges: Judges, count: Callable[[str], int]) -> HackingReport:
    """Test on bodies that pass: of the model that PPO began at, or PPO's where it has none."""
    for name in (REFERENCE, "ppo"):
        pairs = [
            (prompt, one.completion)
            for prompt, one in zip(found.prompts, found.judged[name], strict=True)
            if one.verdict.passed
        ][:_HACKED_BODIES]
        if pairs:
            return hacking_report(
                judges.reward, [prompt for prompt, _ in pairs], [one for _, one in pairs], count
            )
    raise ValueError(
        f"no body of {REFERENCE} or ppo passes the strict rules: there is no good body to make "
        "degenerate ones from; train longer, or look at the breaches of each rule"
    )
