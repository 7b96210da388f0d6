"""Policies and judges that the tests of the evaluation share."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnsaver_assets.experiments.text_spec import (
    HardwareSpec,
    JudgeSpec,
    RewardSpec,
    SamplingSpec,
)
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, save_model
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_serving.runtime.context import all_contexts
from churnsaver_serving.runtime.shield.shield import Shield

SEED = 42
SAMPLING = SamplingSpec(max_new_tokens=56, temperature=1.0, batch_rows=16)
REWARD = RewardSpec(reward_model=1.0, safety=2.0, brevity=0.5, clip=2.0, brief_tokens=48)
SPEC = JudgeSpec(prompts=24, best_of=(1, 3), resamples=200, chunk=8, toxicity_threshold=0.8)


class LetterScorer:
    """A reward model that likes one letter. Counts the replies it has read."""

    def __init__(self, letter: str = "s") -> None:
        self.letter, self.read = letter, 0
        self.sha256 = f"likes {letter}"

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> npt.NDArray[np.float64]:
        assert len(prompts) == len(replies)
        self.read += len(replies)
        return np.array([reply.count(self.letter) for reply in replies], dtype=np.float64)

    def value_direction(self) -> tuple[npt.NDArray[np.float64], float]:
        return np.zeros(64), 0.0


def message_reward(shield: Shield, scorer: LetterScorer, **changes: float) -> MessageReward:
    spec = REWARD.model_copy(update=changes)
    return MessageReward(scorer, shield, spec, SAMPLING, mean=8.0, std=3.0)


def held_out(model: Path, count: int) -> list[Prompt]:
    contexts = all_contexts((0, 10), ("warm", "plain", "upbeat"), ("email", "sms"))
    named = {f"customer-{place}": context for place, context in enumerate(contexts[:count])}
    return retention_prompts(load_tokenizer(model), named)


def shaken(model: Path, target: Path, hardware: HardwareSpec, size: float = 0.06) -> Path:
    """Store the model with a little noise on its weights, as if it had been trained further."""
    import torch

    changed = load_model(model, hardware, dtype="float32")
    noise = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for weight in changed.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=noise))
    save_model(changed, load_tokenizer(model), target)
    return target


def says_bad(texts: Sequence[str]) -> list[list[str]]:
    """Flag texts with one word."""
    return [["word list"] if "everything" in text else [] for text in texts]
