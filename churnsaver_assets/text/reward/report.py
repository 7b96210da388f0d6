"""The report of a reward model's training."""

from typing import Literal

import msgspec

from churnsaver_assets.text.reward.evaluation import SourceFigures
from churnsaver_assets.text.reward.fitting import SizePoint
from churnsaver_assets.text.reward.lora import LoraCurves
from churnsaver_assets.text.reward.probe import Trial
from churnsaver_assets.text.reward.sequences import Truncation


class LengthControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a reply's reward that `score` takes off: slope * (tokens - mean_tokens).

    Attributes:
        slope: Reward per token, within prompts of the holdout.
        mean_tokens: Mean length of the holdout's replies, tokens.
    """

    slope: float
    mean_tokens: float


class RewardReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything measured. Figures are of held-out prompts, by source and for `all` together.

    Attributes:
        kind: Kind of the model that is handed on.
        sha256: SHA-256 of the reward model's directory.
        base_sha256: SHA-256 of the base model's directory.
        seed: Seed of the training.
        training_pairs: Number of training pairs of each source.
        truncation: Truncation of training and held-out replies.
        best: The trial that the probe's cross-validation chose.
        trials: All trials of that cross-validation.
        probe: The probe's figures.
        lora: LoRA's figures; None where only the probe was trained.
        size_curve: Accuracy over the number of training pairs.
        curves: LoRA's learning curve.
        length_control: The correction for length; None where length was left in.
        seconds: Seconds of each stage of this process; what a cache held took none.
        features_per_second: Rows per second; None where all features were in the cache.
    """

    kind: Literal["probe", "lora"]
    sha256: str
    base_sha256: str
    seed: int
    training_pairs: dict[str, int]
    truncation: Truncation
    best: Trial
    trials: tuple[Trial, ...]
    probe: dict[str, SourceFigures]
    lora: dict[str, SourceFigures] | None
    size_curve: tuple[SizePoint, ...]
    curves: LoraCurves | None
    length_control: LengthControl | None
    seconds: dict[str, float]
    features_per_second: float | None

    @property
    def figures(self) -> dict[str, SourceFigures]:
        """Return the figures of the model that is handed on."""
        return self.probe if self.lora is None else self.lora
