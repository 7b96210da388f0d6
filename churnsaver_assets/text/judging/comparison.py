"""Comparison of policies on held-out prompts: messages drawn, scored and judged."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.bootstrap import mean_by_prompt, ratio_by_prompt
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.experiments.text_spec import JudgeSpec, SamplingSpec
from churnsaver_assets.text.judging.diversity import diversity
from churnsaver_assets.text.judging.judge import HeadToHead, Judged, head_to_head, judged
from churnsaver_assets.text.judging.kl import kl_per_token
from churnsaver_assets.text.judging.report import MessageFigures
from churnsaver_assets.text.judging.scores import Remembered, kept_scores
from churnsaver_assets.text.judging.violations import FindToxic, second_look, sent_messages
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward, Scorer, raw_scores
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.messages.wording import Wording

PolicyName = Literal["sft", "rejection", "ppo"]
REFERENCE: PolicyName = "rejection"
"""The model that PPO begins at."""
PAIRS: tuple[tuple[PolicyName, PolicyName], ...] = (
    ("ppo", "sft"),
    ("ppo", "rejection"),
    ("rejection", "sft"),
)


@dataclass(frozen=True, slots=True)
class Judges:
    """Reward, gold judge, wording and classifiers that messages are judged by.

    Attributes:
        reward: The reward that PPO optimised, with its shield.
        gold: The gold judge: a reward model trained on other data with another seed.
        wording: The text that code writes around a body.
        find_toxic: Classifiers for the second look.
    """

    reward: MessageReward
    gold: Scorer
    wording: Wording
    find_toxic: FindToxic


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """Messages and figures of policies on the same prompts.

    Attributes:
        prompts: Held-out prompts.
        judged: Each policy's messages, in the prompts' order.
        figures: Figures of each policy.
        comparisons: Pairs of policies, by `first_over_second`.
    """

    prompts: tuple[Prompt, ...]
    judged: dict[PolicyName, list[Judged]]
    figures: dict[PolicyName, MessageFigures]
    comparisons: dict[str, HeadToHead]


def token_counter(model: Path) -> Callable[[str], int]:
    """Return a function that counts a text's tokens by a model's tokenizer, without special ones.

    Args:
        model: Model directory.
    """
    tokenizer = load_tokenizer(model)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def compare_policies(
    models: Mapping[PolicyName, Path],
    prompts: Sequence[Prompt],
    judges: Judges,
    spec: JudgeSpec,
    *,
    sampling: SamplingSpec,
    run: Run,
) -> PolicyComparison:
    """Draw one message of each policy for each prompt, at temperature 1, and compare them.

    Every policy draws with the same seed.

    Args:
        models: Model directories of the policies.
        prompts: Held-out prompts, chat-formatted for these models.
        judges: Reward, gold judge, wording and classifiers.
        spec: Resamples, prompts between checkpoints.
        sampling: Longest body, batch; its temperature isn't used.
        run: Device and threads, seed for draws and bootstrap, folder of unfinished work, progress.

    Raises:
        ValueError: A policy is missing.
    """
    if missing := [name for name in get_args(PolicyName) if name not in models]:
        raise ValueError(f"no model directory of {', '.join(missing)}: expected one of each policy")
    evaluator = _Evaluator(
        tuple(prompts),
        judges,
        spec,
        sampling.model_copy(update={"temperature": 1.0}),
        run,
        token_counter(models["ppo"]),
    )
    found: dict[PolicyName, list[Judged]] = {}
    figures: dict[PolicyName, MessageFigures] = {}
    for name, model in models.items():
        reference = None if name == REFERENCE else models[REFERENCE]
        found[name], figures[name] = evaluator.evaluate(model, reference, run.within(name))
    comparisons = {
        f"{ours}_over_{theirs}": head_to_head(
            evaluator.count, found[ours], found[theirs], resamples=spec.resamples, seed=run.seed
        )
        for ours, theirs in PAIRS
    }
    return PolicyComparison(tuple(prompts), found, figures, comparisons)


@dataclass(frozen=True, slots=True)
class _Evaluator:
    """Draws, scores and measures one policy after another by the same means."""

    prompts: tuple[Prompt, ...]
    judges: Judges
    spec: JudgeSpec
    sampling: SamplingSpec
    run: Run
    count: Callable[[str], int]

    def evaluate(
        self, model: Path, reference: Path | None, run: Run
    ) -> tuple[list[Judged], MessageFigures]:
        """Return a policy's messages and figures; KL where there is a reference."""
        completions = draw_completions(
            model,
            [prompt.text for prompt in self.prompts],
            self.sampling,
            run.within("messages"),
            chunk=self.spec.chunk,
        )
        scores = self.scores(completions, run.within("scores"))
        verdicts = strict_verdicts(self.prompts, completions, self.judges.reward.shield)
        messages = judged(completions, verdicts, scores["raw"], scores["gold"])
        ratios = (
            None
            if reference is None
            else self.log_ratios(model, reference, completions, run.within("kl"))
        )
        return messages, self.figures(directory_sha256(model), messages, scores["total"], ratios)

    def scores(self, completions: Sequence[Completion], run: Run) -> dict[str, Floats]:
        """Return `total` rewards, the reward model's `raw` scores, and `gold` scores."""
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
            run,
            made_by=[reward.fingerprint(), gold.sha256],
            chunk=self.spec.chunk,
            what="messages judged",
        )

    def log_ratios(
        self, model: Path, reference: Path, completions: Sequence[Completion], run: Run
    ) -> dict[str, Floats]:
        """Return `nats` and `tokens` of each message, see `LogRatios`."""

        def measure(asked: Sequence[Prompt], written: Sequence[Completion]) -> dict[str, Floats]:
            found = kl_per_token(
                model,
                reference,
                asked,
                written,
                hardware=run.hardware,
                batch_rows=self.sampling.batch_rows,
            )
            return {"nats": found.nats, "tokens": found.tokens}

        return kept_scores(
            measure,
            self.prompts,
            completions,
            run,
            made_by=[directory_sha256(model), directory_sha256(reference), str(run.hardware.bf16)],
            chunk=self.spec.chunk,
            what="messages, KL",
        )

    def rendered(self, bodies: Sequence[str]) -> list[str]:
        wording = self.judges.wording
        return [
            wording.render(body, wording.facts(prompt.context), prompt.context.channel)
            for prompt, body in zip(self.prompts, bodies, strict=True)
        ]

    def mean(self, values: npt.ArrayLike) -> Interval:
        return mean_by_prompt(values, resamples=self.spec.resamples, seed=self.run.seed)

    def figures(
        self,
        checkpoint: str,
        messages: Sequence[Judged],
        total: Floats,
        ratios: dict[str, Floats] | None,
    ) -> MessageFigures:
        shield, find_toxic = self.judges.reward.shield, self.judges.find_toxic
        bodies = [one.completion.text for one in messages]
        broken = Counter(rule for one in messages for rule in one.verdict.rules)
        toxic = Counter(name for names in find_toxic(bodies) for name in names)
        sent = sent_messages(self.prompts, messages, shield, self.judges.wording)
        per_token = per_message = None
        if ratios is not None:
            per_message = self.mean(ratios["nats"])
            per_token = ratio_by_prompt(
                ratios["nats"], ratios["tokens"], resamples=self.spec.resamples, seed=self.run.seed
            )
        return MessageFigures(
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
