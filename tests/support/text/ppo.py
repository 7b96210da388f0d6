"""Rewards and settings that the tests of PPO on text share."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnsaver_assets.experiments.text_spec import (
    HardwareSpec,
    KlSpec,
    LoraSpec,
    RewardSpec,
    SamplingSpec,
    TextPpoSpec,
)
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_serving.runtime.context import MessageContext, all_contexts
from churnsaver_serving.runtime.verdict import Breach, Verdict

SEED = 42
FP32 = HardwareSpec(
    device="cpu", threads=1, bf16=False, gradient_checkpointing=False, quantisation="none"
)
BF16 = FP32.model_copy(update={"bf16": True})
SAMPLING = SamplingSpec(max_new_tokens=48, temperature=1.0, batch_rows=32)
REWARD = RewardSpec(reward_model=1.0, safety=2.0, brevity=0.5, clip=2.0, brief_tokens=40)
SPEC = TextPpoSpec(
    iterations=4,
    batch_rows=8,
    minibatch_rows=4,
    epochs=2,
    learning_rate=1e-3,
    value_learning_rate=1e-2,
    discount=1.0,
    gae_lambda=0.95,
    clip=0.2,
    value_clip=0.5,
    value_weight=0.1,
    max_grad_norm=1.0,
    whiten=True,
    place_breaches=True,
    lora=LoraSpec(r=8, alpha=16, dropout=0.0),
    kl=KlSpec(target=0.1, beta=0.05, horizon=10, stop_at=0.5),
    save_every=2,
)


class RulesOnly:
    """A shield of four rules, where a test needs no more of it."""

    sha256 = "0" * 64
    version = "rules of a test"

    def check_body(self, body: str, _: MessageContext) -> Verdict:
        found = {
            "digits": re.search(r"\d", body),
            "link": re.search(r"www|http", body),
            "greeting": re.match(r"Dear|Hello", body),
            "promise": re.search(r"guarantee|promise|lose|Sincerely|\[", body),
        }
        return Verdict(tuple(Breach(rule, match.group()) for rule, match in found.items() if match))


class WordScorer:
    """A reward model that likes one word, and short replies a little."""

    def __init__(self, word: str = "stay", hidden: int = 64) -> None:
        self.word, self.hidden = word, hidden
        self.sha256 = f"likes {word}"

    def score(self, _: Sequence[str], replies: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array(
            [reply.count(self.word) - 0.01 * len(reply) for reply in replies], dtype=np.float64
        )

    def value_direction(self) -> tuple[npt.NDArray[np.float64], float]:
        return np.random.default_rng(SEED).normal(size=self.hidden), 0.0


def message_reward(word: str = "stay", **changes: float) -> MessageReward:
    spec = REWARD.model_copy(update=changes)
    return MessageReward(WordScorer(word), RulesOnly(), spec, SAMPLING, mean=-1.0, std=1.0)


def some_prompts(model_dir: Path, count: int = 24) -> list[Prompt]:
    contexts = all_contexts((0, 10), ("warm", "plain", "upbeat"), ("email", "sms"))
    chosen = np.random.default_rng(SEED).choice(len(contexts), count, replace=False)
    named = {contexts[place].key: contexts[place] for place in chosen}
    return retention_prompts(load_tokenizer(model_dir), named)
