"""Policies compared on held-out prompts: drawn, scored, judged."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.bootstrap import mean_by_prompt, ratio_by_prompt
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, JudgeSpec, SamplingSpec
from churnsaver_assets.text.judging.diversity import diversity
from churnsaver_assets.text.judging.judge import HeadToHead, Judged, head_to_head, judged
from churnsaver_assets.text.judging.kl import kl_per_token
from churnsaver_assets.text.judging.report import PolicyFigures
from churnsaver_assets.text.judging.scores import Remembered, kept_scores
from churnsaver_assets.text.judging.violations import FindToxic, second_look, sent_messages
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward, Scorer, raw_scores
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.messages.wording import Wording

Policy = Literal["sft", "rejection", "ppo"]
REFERENCE: Policy = "rejection"
"""The model that PPO begins at."""
PAIRS: tuple[tuple[Policy, Policy], ...] = (
    ("ppo", "sft"),
    ("ppo", "rejection"),
    ("rejection", "sft"),
)
_REQUIRED: tuple[Policy, ...] = ("sft", "rejection", "ppo")


@dataclass(frozen=True, slots=True)
class Judges:
    """What messages are judged by.

    Attributes:
        reward: as PPO optimised it, with its shield.
        gold: the judge: a reward model of other data and seed.
        wording: what code writes around a body.
        find_toxic: classifiers for the second look.
    """

    reward: MessageReward
    gold: Scorer
    wording: Wording
    find_toxic: FindToxic


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """What was found.

    Attributes:
        prompts: held-out.
        judged: each policy's messages in the prompts' order.
        figures: of each policy.
        comparisons: by `first_over_second`.
    """

    prompts: tuple[Prompt, ...]
    judged: dict[Policy, list[Judged]]
    figures: dict[Policy, PolicyFigures]
    comparisons: dict[str, HeadToHead]


def token_counter(model: Path) -> Callable[[str], int]:
    """Counts tokens of a text as a model's tokenizer cuts it, without special ones.

    Args:
        model: model directory.
    """
    tokenizer = load_tokenizer(model)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def compare_policies(
    models: Mapping[Policy, Path],
    prompts: Sequence[Prompt],
    judges: Judges,
    spec: JudgeSpec,
    *,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    seed: int,
    checkpoints: Path,
    progress: Progress | None = None,
) -> PolicyComparison:
    """Draws one message of each policy for each prompt, at temperature 1, and compares them.

    Every policy draws with the same seed.

    Args:
        models: model directories: `sft`, `rejection` and `ppo`.
        prompts: held-out, chat-formatted for these models.
        judges: what messages are judged by.
        spec: resamples, prompts between checkpoints.
        sampling: longest body, batch; its temperature isn't used.
        hardware: device, threads.
        seed: of draws and bootstrap.
        checkpoints: folder of unfinished work: a killed run goes on at the chunk it was in.
        progress: called after each batch or chunk.

    Raises:
        ValueError: a policy is missing.
    """
    if missing := [name for name in _REQUIRED if name not in models]:
        raise ValueError(f"no model directory of {', '.join(missing)}; expected {_REQUIRED}")
    run = _Run(
        tuple(prompts),
        judges,
        spec,
        sampling.model_copy(update={"temperature": 1.0}),
        hardware,
        seed,
        token_counter(models["ppo"]),
        progress,
    )
    found: dict[Policy, list[Judged]] = {}
    figures: dict[Policy, PolicyFigures] = {}
    for name, model in models.items():
        folder = checkpoints / name
        completions = run.draw(model, folder / "messages")
        scores = run.scores(completions, folder / "scores")
        verdicts = strict_verdicts(prompts, completions, judges.reward.shield)
        found[name] = judged(completions, verdicts, scores["raw"], scores["gold"])
        moved = (
            None
            if name == REFERENCE
            else run.moved(model, models[REFERENCE], completions, folder / "kl")
        )
        figures[name] = run.figures(directory_sha256(model), found[name], scores["total"], moved)
    comparisons = {
        f"{ours}_over_{theirs}": head_to_head(
            run.count, found[ours], found[theirs], resamples=spec.resamples, seed=seed
        )
        for ours, theirs in PAIRS
        if ours in found and theirs in found
    }
    return PolicyComparison(tuple(prompts), found, figures, comparisons)


@dataclass(frozen=True, slots=True)
class _Run:
    """What every policy of one comparison has in common."""

    prompts: tuple[Prompt, ...]
    judges: Judges
    spec: JudgeSpec
    sampling: SamplingSpec
    hardware: HardwareSpec
    seed: int
    count: Callable[[str], int]
    progress: Progress | None

    def draw(self, model: Path, folder: Path) -> list[Completion]:
        return draw_completions(
            model,
            [prompt.text for prompt in self.prompts],
            self.sampling,
            self.hardware,
            seed=self.seed,
            chunk=self.spec.chunk,
            checkpoints=folder,
            progress=self.progress,
        )

    def scores(self, completions: Sequence[Completion], folder: Path) -> dict[str, Floats]:
        """`total`, the reward model's `raw` score, `gold`."""
        gold = self.judges.gold
        # The reward clips the raw score, so it is asked for twice.
        reward = replace(
            self.judges.reward, reward_model=Remembered(self.judges.reward.reward_model)
        )
        return kept_scores(
            lambda asked, written: {
                "total": reward(asked, written).total,
                "raw": raw_scores(reward.reward_model, asked, written),
                "gold": raw_scores(gold, asked, written),
            },
            self.prompts,
            completions,
            made_by=[reward.fingerprint(), gold.sha256],
            checkpoints=folder,
            chunk=self.spec.chunk,
            progress=self.progress,
            what="messages judged",
        )

    def moved(
        self, model: Path, reference: Path, completions: Sequence[Completion], folder: Path
    ) -> dict[str, Floats]:
        """`nats` and `tokens` of each message."""

        def ratios(asked: Sequence[Prompt], written: Sequence[Completion]) -> dict[str, Floats]:
            found = kl_per_token(
                model,
                reference,
                asked,
                written,
                hardware=self.hardware,
                batch_rows=self.sampling.batch_rows,
            )
            return {"nats": found.nats, "tokens": found.tokens}

        return kept_scores(
            ratios,
            self.prompts,
            completions,
            made_by=[directory_sha256(model), directory_sha256(reference), str(self.hardware.bf16)],
            checkpoints=folder,
            chunk=self.spec.chunk,
            progress=self.progress,
            what="messages, KL",
        )

    def rendered(self, bodies: Sequence[str]) -> list[str]:
        wording = self.judges.wording
        return [
            wording.render(body, wording.facts(prompt.context), prompt.context.channel)
            for prompt, body in zip(self.prompts, bodies, strict=True)
        ]

    def mean(self, values: npt.ArrayLike) -> Interval:
        return mean_by_prompt(values, resamples=self.spec.resamples, seed=self.seed)

    def figures(
        self,
        checkpoint: str,
        messages: Sequence[Judged],
        total: Floats,
        moved: dict[str, Floats] | None,
    ) -> PolicyFigures:
        shield, find_toxic = self.judges.reward.shield, self.judges.find_toxic
        bodies = [one.completion.text for one in messages]
        broken = Counter(rule for one in messages for rule in one.verdict.rules)
        toxic = Counter(name for names in find_toxic(bodies) for name in names)
        sent = sent_messages(self.prompts, messages, shield, self.judges.wording)
        per_token = per_message = None
        if moved is not None:
            per_message = self.mean(moved["nats"])
            per_token = ratio_by_prompt(
                moved["nats"], moved["tokens"], resamples=self.spec.resamples, seed=self.seed
            )
        return PolicyFigures(
            checkpoint=checkpoint,
            strict_pass_rate=self.mean([one.verdict.passed for one in messages]),
            breaches={rule: often / len(messages) for rule, often in sorted(broken.items())},
            reward=self.mean(total),
            reward_model=self.mean([one.reward for one in messages]),
            gold=self.mean([one.gold for one in messages]),
            diversity=diversity(bodies, [one.completion.tokens for one in messages]),
            mean_tokens=float(np.mean([self.count(text) for text in self.rendered(bodies)])),
            kl_per_token=per_token,
            kl_per_message=per_message,
            toxic_bodies=dict(sorted(toxic.items())),
            second_look=second_look(
                sent, prompts=len(self.prompts), shield=shield, find_toxic=find_toxic
            ),
        )
