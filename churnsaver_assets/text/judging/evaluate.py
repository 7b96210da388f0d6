"""The whole evaluation of the text models, from model directories to `TextEvaluation`."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, JudgeSpec, SamplingSpec, TextScale
from churnsaver_assets.text.judging.best_of_n import best_of_n
from churnsaver_assets.text.judging.comparison import (
    REFERENCE,
    Judges,
    Policy,
    PolicyComparison,
    compare_policies,
    token_counter,
)
from churnsaver_assets.text.judging.hacking import HackingReport, hacking_report
from churnsaver_assets.text.judging.report import (
    DEFINITIONS,
    BestOfN,
    Example,
    PpoFigures,
    SftFigures,
    TextEvaluation,
)
from churnsaver_assets.text.model.perplexity import PerplexityComparison
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.report import RewardReport


def evaluate_text(
    models: Mapping[Policy, Path],
    prompts: Sequence[Prompt],
    judges: Judges,
    spec: JudgeSpec,
    *,
    scale: TextScale,
    sft: PerplexityComparison,
    reward_model: RewardReport,
    gold_judge: RewardReport,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    seed: int,
    checkpoints: Path,
    hacked_bodies: int = 50,
    examples: int = 20,
    progress: Progress | None = None,
) -> TextEvaluation:
    """Compares the policies, runs best-of-n and the reward-hacking test, and puts all together.

    Args:
        models: as of `compare_policies`.
        prompts: held-out; the first `spec.prompts` are used.
        judges: what messages are judged by.
        spec: how many prompts, sizes of best-of-n (none: it isn't run), resamples, chunks.
        scale: that the models were trained at.
        sft: held-out perplexities, of the fine-tuning's report.
        reward_model: report of its training.
        gold_judge: likewise.
        sampling: longest body, batch; its temperature isn't used.
        hardware: device, threads.
        seed: of draws and bootstrap.
        checkpoints: folder of unfinished work.
        hacked_bodies: most good bodies that degenerate texts are made from.
        examples: prompts shown side by side.
        progress: called after each batch or chunk.

    Raises:
        ValueError: fewer prompts than asked for, a policy is missing, or no body passes the rules.
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
        hardware=hardware,
        seed=seed,
        checkpoints=checkpoints / "policies",
        progress=progress,
    )
    spent = found.figures["ppo"].kl_per_message
    if spent is None:
        raise ValueError("PPO's KL to the model it began at wasn't measured")
    sampled = None
    if spec.best_of:
        sampled = best_of_n(
            models[REFERENCE],
            found.prompts,
            judges.reward,
            spec.best_of,
            gold=judges.gold,
            sft=found.judged["sft"],
            ppo_kl_per_message=spent.mean,
            count=token_counter(models[REFERENCE]),
            sampling=sampling,
            hardware=hardware,
            seed=seed,
            resamples=spec.resamples,
            checkpoints=checkpoints / "best-of-n",
            chunk=spec.chunk,
            progress=progress,
        )
    hacking = _hacked(found, judges, token_counter(models["ppo"]), hacked_bodies)
    return assemble(
        found,
        scale=scale,
        sft=sft,
        reward_model=reward_model,
        gold_judge=gold_judge,
        sampled=sampled,
        hacking=hacking,
        examples=examples,
    )


def assemble(
    found: PolicyComparison,
    *,
    scale: TextScale,
    sft: PerplexityComparison,
    reward_model: RewardReport,
    gold_judge: RewardReport,
    sampled: BestOfN | None,
    hacking: HackingReport,
    examples: int,
) -> TextEvaluation:
    """Puts the parts together.

    Args:
        found: of the policies.
        scale: that the models were trained at.
        sft: held-out perplexities, of the fine-tuning's report.
        reward_model: report of its training.
        gold_judge: likewise.
        sampled: best-of-n.
        hacking: of the reward.
        examples: prompts shown side by side.
    """
    return TextEvaluation(
        scale=scale,
        prompts=len(found.prompts),
        sft=SftFigures.of(sft),
        reward_model=reward_model.figures,
        reward_probe=reward_model.probe,
        ppo=_headline(found),
        policies={str(name): figures for name, figures in found.figures.items()},
        comparisons=found.comparisons,
        gold_judge=gold_judge.figures,
        best_of_n=sampled,
        hacking=hacking,
        examples=side_by_side(found, examples),
        definitions=DEFINITIONS,
    )


def side_by_side(found: PolicyComparison, examples: int) -> tuple[Example, ...]:
    """Prompts with the smallest sha256 of their ids: chosen before anyone has read the messages.

    Args:
        found: of the policies.
        examples: how many.
    """
    order = sorted(
        range(len(found.prompts)),
        key=lambda row: hashlib.sha256(found.prompts[row].id.encode()).hexdigest(),
    )
    return tuple(
        Example(
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


def _hacked(
    found: PolicyComparison, judges: Judges, count: Callable[[str], int], most: int
) -> HackingReport:
    """Good bodies are those that pass, of the model that PPO began at first, else of PPO."""
    for name in (REFERENCE, "ppo"):
        pairs = [
            (prompt, one.completion)
            for prompt, one in zip(found.prompts, found.judged[name], strict=True)
            if one.verdict.passed
        ][:most]
        if pairs:
            return hacking_report(
                judges.reward, [prompt for prompt, _ in pairs], [one for _, one in pairs], count
            )
    raise ValueError(
        f"no body of {REFERENCE} or ppo passes the strict rules: there is no good body to make "
        "degenerate ones from; train longer, or look at the breaches of each rule"
    )
