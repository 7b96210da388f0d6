"""The trained reward model: its directory, and scores of replies to prompts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, prepare
from churnsaver_assets.text.reward.evaluation import SourceFigures
from churnsaver_assets.text.reward.lora import ADAPTER_FILES, HEAD, load_adapters
from churnsaver_assets.text.reward.network import (
    BATCH_ROWS,
    PooledReward,
    Pooling,
    base_model_sha256,
    rewards,
)
from churnsaver_assets.text.reward.probe import LinearProbe
from churnsaver_assets.text.reward.report import LengthControl
from churnsaver_assets.text.reward.sequences import Encoded, Tokenizer, encode
from churnsaver_serving.runtime.arrays import Floats

CARD_FILE = "reward.json"
PROBE_FILE = "probe.safetensors"
ADAPTER_FOLDER = "adapter"


class RewardModelError(ValueError):
    """A folder that isn't a reward model, or not one of this base model; says why."""


class RewardCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `reward.json`.

    Attributes:
        kind: Kind of the model; `lora` has adapters beside the probe.
        pooling: Pooling of the last hidden states.
        max_tokens: Most tokens of prompt and reply; the rest is cut.
        base_sha256: SHA-256 of the base model's directory: scores mean nothing on another one.
        seed: Seed of the training.
        length_control: Correction for length that `score` applies; None for none.
        figures: Figures on held-out pairs, by source.
    """

    kind: Literal["probe", "lora"]
    pooling: Pooling
    max_tokens: int
    base_sha256: str
    seed: int
    length_control: LengthControl | None
    figures: dict[str, SourceFigures]


class RewardModel:
    """A reward model that scores replies. Made by `load`.

    Attributes:
        card: The contents of `reward.json`.
        sha256: SHA-256 of the model's files, see `reward_sha256`.
    """

    def __init__(
        self,
        *,
        card: RewardCard,
        network: nn.Module,
        head: LinearProbe,
        tokenizer: Tokenizer,
        device: torch.device,
        sha256: str,
    ) -> None:
        self.card = card
        self.sha256 = sha256
        self._network = network
        self._head = head
        self._tokenizer = tokenizer
        self._device = device

    @classmethod
    def load(cls, directory: Path, base_model: Path, hardware: HardwareSpec) -> "RewardModel":
        """Load the reward model of a directory, on its base model.

        Args:
            directory: Directory as `train_reward_model` wrote it.
            base_model: Directory of the model that it was trained on.
            hardware: Device and precision. With bf16 the backbone is a bf16 copy; score and
                pooling are fp32 anyway.

        Raises:
            RewardModelError: The directory holds no reward model, or one of another base model.
        """
        card = read_card(directory)
        found = base_model_sha256(base_model)
        if found != card.base_sha256:
            raise RewardModelError(
                f"{directory} was trained on the base model {card.base_sha256[:12]}, but "
                f"{base_model} is {found[:12]}: give the one it was trained on, or train it anew"
            )
        device = prepare(hardware)
        backbone = load_model(base_model, hardware, dtype=hardware.frozen_dtype).base_model
        head = read_head(directory, card)
        weight = torch.tensor(head.weight, dtype=torch.float32)
        plain = PooledReward(backbone, weight, -head.offset).eval()
        lora = card.kind == "lora"
        network = load_adapters(plain, directory / ADAPTER_FOLDER) if lora else plain
        return cls(
            card=card,
            network=network,
            head=head,
            tokenizer=load_tokenizer(base_model),
            device=device,
            sha256=reward_sha256(directory, card),
        )

    def score(
        self,
        prompts: Sequence[str],
        replies: Sequence[str],
        *,
        batch_rows: int = BATCH_ROWS,
        progress: Progress | None = None,
    ) -> Floats:
        """Return rewards in the order given, shape (n,), not normalised.

        Args:
            prompts: Chat-formatted prompts, as in `Prompt.text`.
            replies: Replies without end token; it is added.
            batch_rows: Number of rows in one forward pass.
            progress: Function that is called after each batch.

        Raises:
            ValueError: There is not one reply for each prompt.
        """
        rows = encode(self._tokenizer, prompts, replies, self.card.max_tokens)
        return self.score_rows(rows, batch_rows=batch_rows, progress=progress)

    def score_rows(
        self,
        rows: Sequence[Encoded],
        *,
        batch_rows: int = BATCH_ROWS,
        progress: Progress | None = None,
    ) -> Floats:
        """Return rewards as `score` does, of rows that `encode` has cut to the card's length."""
        scores = rewards(
            self._network,
            rows,
            self.card.pooling,
            pad_id=self._tokenizer.pad_token_id,
            batch_rows=batch_rows,
            device=self._device,
            progress=progress,
        )
        control = self.card.length_control
        if control is None:
            return scores
        tokens = np.array([row.reply_tokens for row in rows], dtype=np.float64)
        return scores - control.slope * (tokens - control.mean_tokens)

    def value_direction(self) -> tuple[Floats, float]:
        """Return weight (hidden,) and bias of the score on last hidden states, for a value head."""
        return self._head.weight, -self._head.offset


def reward_sha256(directory: Path, card: RewardCard) -> str:
    """Return the SHA-256 of the files that `score` depends on; reports beside them don't count."""
    digest = hashlib.sha256()
    for name in _files(card):
        content = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        digest.update(f"{name}\n{content}\n".encode())
    return digest.hexdigest()


def read_card(directory: Path) -> RewardCard:
    """Read `reward.json`.

    Raises:
        RewardModelError: The file is missing, or not as it should be.
    """
    file = directory / CARD_FILE
    if not file.is_file():
        raise RewardModelError(
            f"{directory} has no {CARD_FILE}: expected what train_reward_model wrote"
        )
    try:
        return msgspec.json.decode(file.read_bytes(), type=RewardCard)
    except msgspec.DecodeError as error:
        raise RewardModelError(f"{file}: {error}; train the reward model anew") from error


def write_card(directory: Path, card: RewardCard) -> None:
    """Write `reward.json`."""
    data = msgspec.json.format(msgspec.json.encode(card), indent=2)
    (directory / CARD_FILE).write_bytes(data)


def write_probe(directory: Path, probe: LinearProbe) -> None:
    """Write `probe.safetensors`: weight and offset in fp32."""
    save_file(
        {
            "weight": probe.weight.astype(np.float32),
            "offset": np.array([probe.offset], dtype=np.float32),
        },
        directory / PROBE_FILE,
    )


def read_head(directory: Path, card: RewardCard) -> LinearProbe:
    """Read the score head: the probe, or LoRA's further training of it.

    Raises:
        RewardModelError: A file is missing.
    """
    lora = card.kind == "lora"
    missing = [name for name in _files(card) if not (directory / name).is_file()]
    if missing:
        raise RewardModelError(f"{directory} lacks {', '.join(missing)}: train it anew")
    if lora:
        tensors = load_file(directory / ADAPTER_FOLDER / ADAPTER_FILES[1])
        weight, offset = tensors[f"{HEAD}.weight"][0], -tensors[f"{HEAD}.bias"]
    else:
        tensors = load_file(directory / PROBE_FILE)
        weight, offset = tensors["weight"], tensors["offset"]
    return LinearProbe(weight.astype(np.float64), float(offset[0]))


def _files(card: RewardCard) -> list[str]:
    if card.kind == "probe":
        return [CARD_FILE, PROBE_FILE]
    return [CARD_FILE, *(f"{ADAPTER_FOLDER}/{name}" for name in ADAPTER_FILES)]
