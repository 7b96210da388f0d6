"""What was found about the text models: `text_evaluation.json`."""

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
    """Held-out replies under the fine-tuned model and the one it began at.

    Attributes:
        perplexity: per reply token, end token included.
        base_perplexity: of the base model on the same rows.
        perplexity_interval: by row.
        base_perplexity_interval: by row.
        log_difference: log-perplexity less the base model's, paired by row; below 0 is better.
        rows: measured.
    """

    perplexity: float
    base_perplexity: float
    perplexity_interval: Interval
    base_perplexity_interval: Interval
    log_difference: Interval
    rows: int

    @classmethod
    def of(cls, found: PerplexityComparison) -> Self:
        """The figures of a fine-tuning's report."""
        return cls(
            perplexity=found.after.perplexity.mean,
            base_perplexity=found.before.perplexity.mean,
            perplexity_interval=found.after.perplexity,
            base_perplexity_interval=found.before.perplexity,
            log_difference=found.log_difference,
            rows=found.after.rows,
        )


class PolicyFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy's messages, one for each held-out prompt, at temperature 1.

    Attributes:
        checkpoint: sha256 of the model directory.
        strict_pass_rate: bodies that pass the shield and are finished.
        breaches: share of bodies that break each rule.
        reward: mean shaped reward.
        reward_model: mean raw score of the reward model.
        gold: mean raw score of the judge.
        diversity: of the bodies.
        mean_tokens: of whole messages, those included in whose place a template would be sent.
        kl_per_token: nats to the model that PPO began at; None for that model itself.
        kl_per_message: likewise.
        toxic_bodies: bodies that each classifier flags, whether or not they would be sent.
        second_look: at what would be sent.
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
        strict_pass_rate: see `PolicyFigures`.
        sft_strict_pass_rate: likewise, of the model fine-tuned on demonstrations alone.
        rejection_strict_pass_rate: likewise, of the model that PPO began at.
        strict_pass_gain: over SFT, paired by prompt.
        win_rate: over SFT, by what would be sent.
        gold_win_rate: over SFT, by the gold judge, length-controlled.
        win_rate_over_rejection: over the model that PPO began at.
        gold_win_rate_over_rejection: likewise.
        win_minus_loss: over SFT, by what would be sent.
        mean_tokens: of whole messages, see `PolicyFigures`.
        kl_per_token: nats to the model that PPO began at.
        violations: messages that would be sent in which a second look found something.
        violations_upper_bound: of their share, one-sided 95 %, exact.
        messages: that would be sent.
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
        n: samples for each prompt.
        kl_bound: nats per message, log n - (n - 1) / n.
        strict_pass_rate: of the best ones.
        reward: mean shaped reward.
        over_sft: against the same SFT messages that PPO is compared with.
    """

    n: int
    kl_bound: float
    strict_pass_rate: Interval
    reward: Interval
    over_sft: HeadToHead


class BestOfN(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Best-of-n beside PPO.

    Attributes:
        prompts: compared.
        rows: one for each n, ascending.
        ppo_kl_per_message: what PPO spent, nats.
        matched_n: samples whose bound equals that; not a whole number. 1 where PPO spent nothing;
            None where more than a million samples would be needed.
        nearest_n: of the rows, by KL.
        within_reach: `matched_n` is no more than the largest n tried.
    """

    prompts: int
    rows: tuple[BestOf, ...]
    ppo_kl_per_message: float
    matched_n: float | None
    nearest_n: int
    within_reach: bool


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt's messages side by side.

    Attributes:
        prompt_id: of the prompt.
        context: its key.
        bodies: by policy.
        broken: rules that each body breaks, by policy.
    """

    prompt_id: str
    context: str
    bodies: dict[str, str]
    broken: dict[str, tuple[str, ...]]


class TextEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All figures of the text models.

    Attributes:
        scale: `demo` shows that the loop works, no more.
        prompts: held-out prompts, one message of each policy for each.
        sft: held-out perplexity.
        reward_model: on held-out pairs, by data set and for `all`.
        reward_probe: likewise, of the linear probe that it was warm-started from, or is.
        ppo: headline.
        policies: in full, by name.
        comparisons: by `first_over_second`.
        gold_judge: as `reward_model`.
        best_of_n: the baseline that trains nothing; None where it wasn't run.
        hacking: of the reward.
        examples: chosen by a hash of the prompt's id, not by quality.
        definitions: what the figures mean, in words.
    """

    scale: TextScale
    prompts: int
    sft: SftFigures
    reward_model: dict[str, SourceFigures]
    reward_probe: dict[str, SourceFigures]
    ppo: PpoFigures
    policies: dict[str, PolicyFigures]
    comparisons: dict[str, HeadToHead]
    gold_judge: dict[str, SourceFigures]
    best_of_n: BestOfN | None
    hacking: HackingReport
    examples: tuple[Example, ...]
    definitions: dict[str, str]

    def to_json(self) -> bytes:
        """For `text_evaluation.json`."""
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
