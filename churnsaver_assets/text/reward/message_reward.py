"""The reward of a message: reward model, shield and brevity, weighted."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from churnsaver_assets.experiments.text_spec import RewardSpec, SamplingSpec
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.verdict import Verdict

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield


# By rules broken: none, one, two, three and more. The first costs nearly all: twice the weight of a
# clipped reward model and of brevity must not buy it back, or a fooled reward model sells rules.
_SAFETY = np.array([1.0, -0.8, -0.9, -1.0])
_LEAST_STD = 1e-6


class Scorer(Protocol):
    """A reward model, as far as rewards need one."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the model's files."""
        ...

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> npt.NDArray[np.floating]:
        """Return raw scores, shape (rows,); higher is better."""
        ...

    def value_direction(self) -> tuple[npt.NDArray[np.floating], float]:
        """Return weights, shape (hidden,), and bias of the model's head."""
        ...


@dataclass(frozen=True, slots=True)
class RewardParts:
    """Rewards of some messages, all shape (rows,).

    Attributes:
        reward_model: Normalised and clipped score, standard deviations.
        safety: 1, -0.8, -0.9 or -1 for 0, 1, 2 or more rules broken.
        brevity: Brevity from 0 to 1.
        total: Weighted sum of the parts.
        verdicts: Verdict of the strict rules on each row.
    """

    reward_model: Floats
    safety: Floats
    brevity: Floats
    total: Floats
    verdicts: tuple[Verdict, ...]

    def breaches(self) -> Counter[str]:
        """Count the rows that break each rule."""
        return Counter(rule for verdict in self.verdicts for rule in verdict.rules)


@dataclass(frozen=True, slots=True)
class MessageReward:
    """The reward that training maximises. Equal arguments give equal rewards.

    Attributes:
        reward_model: The scorer of a reply to a prompt.
        shield: The shield, as it is served.
        spec: Weights and shapes.
        sampling: Settings of sampling; brevity reaches 0 at their `max_new_tokens`.
        mean: Mean of raw scores, from `fit_normaliser`.
        std: Standard deviation of raw scores, from `fit_normaliser`.
        least_tokens: Fewest tokens that earn brevity; without a least, the best body would be an
            empty one.
    """

    reward_model: Scorer
    shield: "Shield"
    spec: RewardSpec
    sampling: SamplingSpec
    mean: float
    std: float
    least_tokens: int = 12

    def __call__(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> RewardParts:
        """Return the rewards of completions.

        Args:
            prompts: One prompt for each completion.
            completions: The bodies that were written.

        Raises:
            ValueError: The reward model gives a score that is no number.
        """
        scores = raw_scores(self.reward_model, prompts, completions)
        clip = self.spec.clip
        reward_model = np.clip((scores - self.mean) / self.std, -clip, clip)
        verdicts = tuple(strict_verdicts(prompts, completions, self.shield))
        safety = safety_part(verdicts)
        brevity = brevity_part(
            np.array([completion.tokens for completion in completions], dtype=np.int64),
            brief=self.spec.brief_tokens,
            limit=self.sampling.max_new_tokens,
            least=self.least_tokens,
        )
        total = (
            self.spec.reward_model * reward_model
            + self.spec.safety * safety
            + self.spec.brevity * brevity
        )
        return RewardParts(reward_model, safety, brevity, total, verdicts)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that a reward depends on."""
        digest = hashlib.sha256()
        for part in (
            self.reward_model.sha256,
            self.shield.sha256,
            self.spec.model_dump_json(),
            self.sampling.model_dump_json(),
            f"{self.mean!r} {self.std!r} {self.least_tokens}",
        ):
            digest.update(part.encode())
        return digest.hexdigest()


def safety_part(verdicts: Sequence[Verdict]) -> Floats:
    """Return the safety part by the number of rules broken, shape (rows,)."""
    broken = np.array([len(verdict.breaches) for verdict in verdicts], dtype=np.int64)
    return _SAFETY[np.minimum(broken, len(_SAFETY) - 1)]


def safety_losses(broken: int) -> list[float]:
    """Return the loss of the safety part for each further broken rule, shape (broken,)."""
    at = _SAFETY[np.minimum(np.arange(broken + 1), len(_SAFETY) - 1)]
    losses: list[float] = (-np.diff(at)).tolist()
    return losses


def brevity_part(tokens: npt.NDArray[np.int64], *, brief: int, limit: int, least: int) -> Floats:
    """Return 1 from `least` to `brief` tokens, falling to 0 at `limit`; 0 under `least`.

    Args:
        tokens: Tokens of each completion, end token included, shape (rows,).
        brief: Most tokens of a reward of 1.
        limit: Tokens at which the reward has fallen to 0, linearly.
        least: Fewest tokens that earn a reward.
    """
    falling = np.clip((limit - tokens) / (limit - brief), 0.0, 1.0)
    return np.where(tokens < least, 0.0, falling)


def fit_normaliser(
    reward_model: Scorer, prompts: Sequence[Prompt], completions: Sequence[Completion]
) -> tuple[float, float]:
    """Measure mean and standard deviation of raw scores on samples of the starting model.

    Raises:
        ValueError: There are fewer than two samples, or all score alike.
    """
    if len(completions) < 2:  # noqa: PLR2004 - a spread takes two
        raise ValueError(f"a normaliser needs at least two samples, got {len(completions)}")
    scores = raw_scores(reward_model, prompts, completions)
    mean, std = float(scores.mean()), float(scores.std())
    if std < _LEAST_STD:
        raise ValueError(
            f"the reward model scores all {len(scores)} samples {mean:.6g}: there is nothing to "
            "learn from a constant reward; train the reward model again and look at its accuracy"
        )
    return mean, std


def raw_scores(
    reward_model: Scorer, prompts: Sequence[Prompt], completions: Sequence[Completion]
) -> Floats:
    """Return the reward model's scores, shape (rows,).

    Raises:
        ValueError: Prompts and completions differ in number, or a score is no number.
    """
    if len(prompts) != len(completions):
        raise ValueError(f"got {len(prompts)} prompts and {len(completions)} completions")
    scores = np.asarray(
        reward_model.score(
            [prompt.text for prompt in prompts], [completion.text for completion in completions]
        ),
        dtype=np.float64,
    )
    if scores.shape != (len(completions),) or not np.isfinite(scores).all():
        raise ValueError(
            f"the reward model must give {len(completions)} finite scores, got shape "
            f"{scores.shape} with {int((~np.isfinite(scores)).sum())} that are not finite"
        )
    return scores
