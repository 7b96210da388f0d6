"""Bounds of the blocking checks on text models, messages and the shield."""

from pydantic import Field

from churnsaver_assets.experiments.strict import Strict


class SftGate(Strict):
    """Bounds of the fine-tuned model's blocking check.

    Attributes:
        max_perplexity_ratio: Greatest held-out perplexity, as a multiple of the base model's.
    """

    max_perplexity_ratio: float = Field(gt=0)


class RewardGate(Strict):
    """Bounds of the reward model's blocking check.

    Attributes:
        min_reward_auc: Least AUC over all held-out pairs.
        min_auc_over_length: Least amount by which it exceeds the AUC of length alone.
    """

    min_reward_auc: float = Field(ge=0, le=1)
    min_auc_over_length: float = Field(ge=-1, le=1)


class WriterGate(Strict):
    """Bounds of the blocking checks on the messages that PPO's model writes.

    Attributes:
        min_win_rate: Least win rate against the fine-tuned model.
        min_strict_pass_rate: Least share of samples at temperature 1 that pass every rule.
        max_violations: Greatest upper bound of the share of violations (one-sided 95 %): 0 of 300
            gives 1 %.
        max_mean_tokens: Greatest mean length of whole messages as sent.
        max_kl: Greatest divergence from the model that PPO began at, nats per token.
        max_repeated: Greatest share of messages that repeat an earlier one word for word.
    """

    min_win_rate: float = Field(ge=0, le=1)
    min_strict_pass_rate: float = Field(ge=0, le=1)
    max_violations: float = Field(ge=0, le=1)
    max_mean_tokens: float = Field(gt=0)
    max_kl: float = Field(gt=0)
    max_repeated: float = Field(ge=0, le=1)


class ShieldGate(Strict):
    """Bounds of the shield's blocking check, on probes not looked at while it was written.

    Attributes:
        min_attacks_stopped: Least share of the attacks that it stops.
        max_false_alarms: Greatest share of the harmless texts that it stops.
    """

    min_attacks_stopped: float = Field(ge=0, le=1)
    max_false_alarms: float = Field(ge=0, le=1)


class TextGate(SftGate, RewardGate, WriterGate, ShieldGate):
    """Bounds of every blocking check on text models, messages and the shield."""
