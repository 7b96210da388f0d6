"""What is reported of a reward model's training."""

from typing import Literal

import msgspec

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.reward.evaluation import SourceFigures
from churnsaver_assets.text.reward.lora import LoraCurves
from churnsaver_assets.text.reward.probe import Trial
from churnsaver_assets.text.reward.sequences import Truncation


class SizePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probe of a part of the training prompts, on all held-out pairs.

    Attributes:
        share: of the training prompts.
        pairs: that it was fitted on.
        accuracy: held out, by prompt.
    """

    share: float
    pairs: int
    accuracy: Interval


class LengthControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `score` takes off for a reply's length: slope * (tokens - mean_tokens).

    Attributes:
        slope: reward per token, within prompts of the holdout.
        mean_tokens: of replies of the holdout.
    """

    slope: float
    mean_tokens: float


class RewardReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything measured. Figures are of held-out prompts, by source and for `all` together.

    Attributes:
        kind: what is handed on.
        sha256: of the reward model's directory.
        base_sha256: of the base model's.
        seed: of the training.
        training_pairs: of each source.
        truncation: of training and held-out replies.
        best: what the probe's cross-validation chose.
        trials: all that it tried.
        probe: the probe's figures.
        lora: LoRA's; None where only the probe was trained.
        size_curve: whether more pairs would help.
        curves: LoRA's learning curve.
        length_control: None where length was left in.
        seconds: of each stage of this process; what a cache held took none.
        features_per_second: None where all of them were in the cache.
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
        """Of what is handed on."""
        return self.probe if self.lora is None else self.lora
