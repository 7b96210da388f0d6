"""The scoring network: a backbone, pooling over its last hidden states, one linear score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer
from churnsaver_assets.text.reward.sequences import Encoded, Tokenizer

Backbone = Any  # a transformers model without its language-modelling head

Pooling = Literal["reply", "sequence", "last"]
"""Mean over the reply's tokens, mean over all tokens, or the last token."""
POOLINGS: tuple[Pooling, ...] = ("reply", "sequence", "last")


BATCH_ROWS = 16
"""Rows in one forward pass of scoring."""

_REPORT_FILE = "report.json"  # that stages leave beside the model


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model that a reward model is trained on.

    Attributes:
        directory: The model directory.
        tokenizer: The model's tokenizer.
        sha256: SHA-256 of the directory, see `base_model_sha256`.
    """

    directory: Path
    tokenizer: Tokenizer
    sha256: str

    @classmethod
    def read(cls, directory: Path) -> "BaseModel":
        """Read the tokenizer of a model directory and hash its files."""
        return cls(directory, load_tokenizer(directory), base_model_sha256(directory))


def base_model_sha256(directory: Path) -> str:
    """Return the SHA-256 of a base model's files but its report, which tells of timings."""
    return directory_sha256(directory, without=(_REPORT_FILE,))


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Rows padded on the right, all of shape (rows, width).

    Attributes:
        positions: Positions of the rows among those that were batched, shape (rows,).
        input_ids: Token ids.
        attention_mask: 1 where there is a token, else 0.
    """

    positions: tuple[int, ...]
    input_ids: Tensor
    attention_mask: Tensor


@dataclass(frozen=True, slots=True)
class Scored:
    """The network's output, under the name that transformers' heads use."""

    logits: Tensor


def batches(
    rows: Sequence[Encoded], batch_rows: int, pad_id: int, device: torch.device
) -> Iterator[PaddedBatch]:
    """Yield batches of rows of like length, longest first: the first one needs the most memory."""
    order = sorted(range(len(rows)), key=lambda place: (-len(rows[place].ids), place))
    for start in range(0, len(order), batch_rows):
        places = tuple(order[start : start + batch_rows])
        ids, mask = padded([rows[place] for place in places], pad_id)
        yield PaddedBatch(places, ids.to(device), mask.to(device))


def padded(rows: Sequence[Encoded], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pad rows on the right, and return token ids and attention mask, both (rows, width)."""
    lengths = torch.tensor([len(row.ids) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad_id)
    for at, row in enumerate(rows):
        ids[at, : lengths[at]] = torch.tensor(row.ids)
    return ids, (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()


def pool_weights(pooling: Pooling, rows: Sequence[Encoded], width: int) -> Tensor:
    """Return the weight of each token in the pooled state, (rows, width), each row's sum 1."""
    ends = torch.tensor([len(row.ids) for row in rows])[:, None]
    match pooling:
        case "reply":
            starts = torch.tensor([row.reply_start for row in rows])[:, None]
        case "sequence":
            starts = torch.zeros_like(ends)
        case "last":
            starts = ends - 1
    at = torch.arange(width)[None]
    inside = ((at >= starts) & (at < ends)).float()
    return inside / inside.sum(dim=1, keepdim=True)


class PooledReward(nn.Module):
    """Score of a prompt and its reply: linear in the pooled last hidden state, in fp32.

    Transformers' own classification heads read the last token that isn't the pad token; the pooling
    is free here, so that the head can start from the probe. For TRL's trainer it looks like one of
    theirs.

    Args:
        backbone: The model of the `last_hidden_state`, shape (rows, width, hidden).
        weight: Weight of the score, shape (hidden,).
        bias: Bias of the score.
    """

    # peft chooses its layers by these.
    is_loaded_in_8bit: bool = False
    is_loaded_in_4bit: bool = False

    def __init__(self, backbone: Backbone, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.config = backbone.config
        self.config.num_labels = 1
        self.score = nn.Linear(len(weight), 1, device=backbone.device)
        with torch.no_grad():
            self.score.weight.copy_(weight[None])
            self.score.bias.fill_(bias)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, pool: Tensor, **_: object
    ) -> Scored:
        """Return rewards of shape (rows, 1); `pool` is (rows, width), as from `pool_weights`.

        The trainer passes more (margins, use_cache), which the network ignores.
        """
        hidden = last_hidden_state(self.backbone, input_ids, attention_mask)
        with torch.autocast(hidden.device.type, enabled=False):
            pooled = torch.einsum("nw,nwh->nh", pool, hidden.float())
            return Scored(self.score(pooled))

    def add_model_tags(self, tags: object) -> None:
        """Ignore the tags that TRL sets for the hub's cards; this model isn't published."""


def rewards(
    network: nn.Module,
    rows: Sequence[Encoded],
    pooling: Pooling,
    *,
    pad_id: int,
    batch_rows: int,
    device: torch.device,
    progress: Progress | None = None,
) -> npt.NDArray[np.float64]:
    """Return the rewards of rows in their order, shape (rows,).

    Args:
        network: A `PooledReward`, with adapters or without; in eval mode.
        rows: Rows to score.
        pooling: The network's pooling.
        pad_id: Id of the padding token.
        batch_rows: Number of rows in one forward pass.
        device: The network's device.
        progress: Function that is called after each batch.
    """
    result = np.empty(len(rows))
    done = 0
    with torch.inference_mode():
        for batch in batches(rows, batch_rows, pad_id, device):
            members = [rows[place] for place in batch.positions]
            pool = pool_weights(pooling, members, batch.input_ids.shape[1]).to(device)
            scored: Scored = network(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, pool=pool
            )
            result[list(batch.positions)] = scored.logits[:, 0].float().cpu().numpy()
            done += len(members)
            if progress is not None:
                progress(done, len(rows), f"scored {done:,} of {len(rows):,} replies")
    return result


def last_hidden_state(backbone: Backbone, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the backbone's states after its last norm, shape (rows, width, hidden)."""
    result: Tensor = backbone(
        input_ids=input_ids, attention_mask=attention_mask, use_cache=False
    ).last_hidden_state
    return result
