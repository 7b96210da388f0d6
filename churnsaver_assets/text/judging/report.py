"""Results of the text models' evaluation, as `text_evaluation.json` holds them."""

from typing import Self

import msgspec

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.experiments.text_spec import TextScale
from churnsaver_assets.text.judging.diversity import Diversity
from churnsaver_assets.text.judging.hacking import HackingReport
from churnsaver_assets.text.judging.judge import HeadToHead
from churnsaver_assets.text.judging.violations import SecondLook
from churnsaver_assets.text.model.perplexity import PerplexityComparison
from churnsaver_assets.text.reward.evaluation import SourceFigures


class SftFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Perplexity of held-out replies under the fine-tuned model and the base model.

    Attributes:
        perplexity: Perplexity per reply token, end token included.
        base_perplexity: The base model's perplexity on the same rows.
        perplexity_interval: The perplexity with its interval, bootstrapped by row.
        base_perplexity_interval: The base model's with its interval, bootstrapped by row.
        log_difference: Log-perplexity less the base model's, paired by row; below 0 is better.
        rows: Number of rows measured.
    """

    perplexity: float
    base_perplexity: float
    perplexity_interval: Interval
    base_perplexity_interval: Interval
    log_difference: Interval
    rows: int

    @classmethod
    def of(cls, found: PerplexityComparison) -> Self:
        """Take the figures from a fine-tuning's report."""
        return cls(
            perplexity=found.after.perplexity.mean,
            base_perplexity=found.before.perplexity.mean,
            perplexity_interval=found.after.perplexity,
            base_perplexity_interval=found.before.perplexity,
            log_difference=found.log_difference,
            rows=found.after.rows,
        )


class MessageFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one policy's messages, one for each held-out prompt, at temperature 1.

    Attributes:
        checkpoint: The sha256 of the model directory.
        strict_pass_rate: Share of bodies that pass the shield and are finished.
        breaches: Share of bodies that break each rule.
        reward: Mean shaped reward.
        reward_model: Mean raw score of the reward model.
        gold: Mean raw score of the gold judge.
        diversity: Diversity of the bodies.
        mean_tokens: Mean length of whole messages, those included in whose place a template would
            be sent.
        kl_per_token: KL to the model that PPO began at, nats a token; None for that model itself.
        kl_per_message: KL to the model that PPO began at, nats a message; None for that model.
        toxic_bodies: Number of bodies that each classifier flags, whether or not they would be
            sent.
        second_look: Violations found in what would be sent.
    """

    checkpoint: str
    strict_pass_rate: Interval
    breaches: dict[str, float]
    reward: Interval
    reward_model: Interval
    gold: Interval
    diversity: Diversity
    mean_tokens: float
    kl_per_token: Interval | None
    kl_per_message: Interval | None
    toxic_bodies: dict[str, int]
    second_look: SecondLook


class PpoFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PPO's headline; all of it in full under `policies` and `comparisons`.

    Attributes:
        strict_pass_rate: Share of PPO's bodies that pass the shield and are finished.
        sft_strict_pass_rate: The same share for the model fine-tuned on demonstrations alone.
        rejection_strict_pass_rate: The same share for the model that PPO began at.
        strict_pass_gain: PPO's pass rate less SFT's, paired by prompt.
        win_rate: Win-rate over SFT by what would be sent.
        gold_win_rate: Win-rate over SFT by the gold judge, length-controlled.
        win_rate_over_rejection: Win-rate over the model that PPO began at, by what would be sent.
        gold_win_rate_over_rejection: Win-rate over that model by the gold judge,
            length-controlled.
        win_minus_loss: Wins less losses against SFT over prompts, by what would be sent.
        mean_tokens: Mean length of whole messages, see `MessageFigures`.
        kl_per_token: KL to the model that PPO began at, nats a token.
        violations: Number of messages that would be sent in which a second look found something.
        violations_upper_bound: Upper bound of their share, one-sided 95 %, exact.
        messages: Number of PPO's messages that would be sent.
    """

    strict_pass_rate: float
    sft_strict_pass_rate: float
    rejection_strict_pass_rate: float
    strict_pass_gain: Interval
    win_rate: Interval
    gold_win_rate: Interval
    win_rate_over_rejection: Interval
    gold_win_rate_over_rejection: Interval
    win_minus_loss: Interval
    mean_tokens: float
    kl_per_token: float
    violations: int
    violations_upper_bound: float
    messages: int


class BestOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The best of n samples of the model that PPO began at, by the shaped reward.

    Attributes:
        n: Number of samples for each prompt.
        kl_bound: Upper bound of the KL, log n - (n - 1) / n, nats a message.
        strict_pass_rate: Share of the best samples that pass the strict rules.
        reward: Mean shaped reward.
        over_sft: Comparison with the same SFT messages that PPO is compared with.
    """

    n: int
    kl_bound: float
    strict_pass_rate: Interval
    reward: Interval
    over_sft: HeadToHead


class BestOfN(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Best-of-n beside PPO.

    Attributes:
        prompts: Number of prompts.
        rows: Figures for each n, ascending.
        ppo_kl_per_message: PPO's KL to the model it began at, nats a message.
        matched_n: Number of samples whose bound equals PPO's KL; not a whole number. 1 where that
            KL is 0; None where more than a million samples would be needed.
        nearest_n: The n among the rows whose bound is nearest to PPO's KL.
        within_reach: Whether `matched_n` is no more than the largest n tried.
    """

    prompts: int
    rows: tuple[BestOf, ...]
    ppo_kl_per_message: float
    matched_n: float | None
    nearest_n: int
    within_reach: bool


class SideBySide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt's messages side by side.

    Attributes:
        prompt_id: Identifier of the prompt.
        context: Key of its context.
        bodies: Each policy's body, by the policy's name.
        broken: Rules that each policy's body breaks, by the policy's name.
    """

    prompt_id: str
    context: str
    bodies: dict[str, str]
    broken: dict[str, tuple[str, ...]]


class TextEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All figures of the text models.

    Attributes:
        scale: Scale that the models were trained at; `demo` shows that the loop works, no more.
        prompts: Number of held-out prompts; each policy wrote one message for each.
        sft: Held-out perplexity of the fine-tuned model.
        reward_model: The reward model on held-out pairs, by data set and for `all`.
        reward_probe: The linear probe that the reward model was warm-started from, or is, on the
            same pairs.
        ppo: PPO's headline.
        policies: Figures of each policy, by its name.
        comparisons: Pairs of policies, by `first_over_second`.
        gold_judge: The gold judge on held-out pairs, by data set and for `all`.
        best_of_n: The baseline that trains nothing; None where it wasn't run.
        hacking: Result of the reward-hacking test.
        examples: Messages side by side, chosen by a hash of the prompt's id, not by quality.
        definitions: Definition of each figure in words.
    """

    scale: TextScale
    prompts: int
    sft: SftFigures
    reward_model: dict[str, SourceFigures]
    reward_probe: dict[str, SourceFigures]
    ppo: PpoFigures
    policies: dict[str, MessageFigures]
    comparisons: dict[str, HeadToHead]
    gold_judge: dict[str, SourceFigures]
    best_of_n: BestOfN | None
    hacking: HackingReport
    examples: tuple[SideBySide, ...]
    definitions: dict[str, str]

    def to_json(self) -> bytes:
        """Write `text_evaluation.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


DEFINITIONS = {
    "strict_pass": "The body breaks no rule of the shield and ends with its own end token.",
    "win_rate": (
        "What would be sent wins: a body that passes the strict rules beats one that doesn't; "
        "where both pass or both fail, the higher raw score of the reward model wins. A tie is "
        "half a win."
    ),
    "gold_win_rate": (
        "The gold judge alone decides, a reward model trained on other data with another seed. "
        "It scores each message alone; the higher residual of its score on length wins (one "
        "slope over both policies' messages), a tie is half a win."
    ),
    "win_minus_loss": "Share of prompts won less share lost: twice the win rate, less one.",
    "interval": "95 %, percentile bootstrap by prompt (perplexity: by row).",
    "mean_tokens": (
        "Tokens of whole messages with greeting, offer, sender and opt-out; those are included in "
        "whose place a template would be sent."
    ),
    "kl_per_token": (
        "Sum over the policy's own samples of log-probability under it less that under the model "
        "that PPO began at, over their tokens; temperature 1."
    ),
    "violations": (
        "Of the policy's messages that would be sent (body and whole message pass the shield): "
        "those that a toxicity classifier flags, that the shield refuses when asked again, or "
        "that hold a number that no fact states. Where a body fails, a template would be sent, "
        "which isn't counted."
    ),
    "best_of_n": (
        "Best of n samples by the shaped reward; KL at most log n - (n - 1) / n nats per message."
    ),
    "hacking": (
        "Degenerate texts made from good bodies; the share with a higher shaped reward than the "
        "body they were made from."
    ),
}
