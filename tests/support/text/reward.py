"""Preferences that a tiny model's features show, settings for it, and pairs by hand."""

import random
from pathlib import Path

import numpy as np

from churnsaver_assets.experiments.text_spec import HardwareSpec, LoraSpec, RewardModelSpec
from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.sequences import Encoded

HARDWARE = HardwareSpec(
    device="cpu", threads=1, bf16=False, gradient_checkpointing=False, quantisation="none"
)
LORA = LoraSpec(r=4, alpha=8, dropout=0.0)

_GOOD = ("We are happy that you are with us.", "We would love to keep looking after you.")
_BAD = ("Act now or you will lose your service.", "Please visit us or you will lose everything.")
_TAIL = ("Thank you.", "You have been with us for so long.", "Please tell us how it is for you.")


def reward_spec(**changes: object) -> RewardModelSpec:
    settings: dict[str, object] = {
        "kind": "probe",
        "pairs": 1000,
        "gold_pairs": 200,
        "evaluated_pairs": 200,
        "max_tokens": 64,
        "batch_pairs": 8,
        "steps": 12,
        "learning_rate": 2e-3,
        "centre": 0.01,
        "ridge": (1.0, 10.0, 100.0),
        "save_every": 4,
        "evaluate_every": 4,
    }
    return RewardModelSpec.model_validate(settings | changes)


def preferences(
    prompts: int, *, seed: int = 42, source: str = "manners", first: int = 0
) -> list[PreferencePair]:
    """Two pairs a prompt: the kind reply is the better one, lengths are left to chance."""
    rng = random.Random(seed)
    return [
        PreferencePair(
            prompt_id=str(first + number),
            source=source,
            prompt=f"<|im_start|>user\nWrite to customer {first + number}."
            "<|im_end|>\n<|im_start|>assistant\n",
            chosen=_reply(rng, _GOOD),
            rejected=_reply(rng, _BAD),
        )
        for number in range(prompts)
        for _ in range(2)
    ]


def _reply(rng: random.Random, openings: tuple[str, ...]) -> str:
    tails = rng.sample(_TAIL, rng.randrange(len(_TAIL)))
    return " ".join((rng.choice(openings), *tails))


def swapped(pairs: list[PreferencePair]) -> list[PreferencePair]:
    return [
        PreferencePair(pair.prompt_id, pair.source, pair.prompt, pair.rejected, pair.chosen)
        for pair in pairs
    ]


def pairs_of_lengths(chosen: list[int], rejected: list[int], source: str = "made") -> Pairs:
    """One pair a prompt, of replies with so many tokens."""

    def rows(lengths: list[int]) -> tuple[Encoded, ...]:
        return tuple(Encoded((1,) + (5,) * length, 1) for length in lengths)

    return Pairs(
        rows(chosen),
        rows(rejected),
        np.zeros(len(chosen)),
        tuple(f"{source}/{place}" for place in range(len(chosen))),
        (source,) * len(chosen),
    )


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
