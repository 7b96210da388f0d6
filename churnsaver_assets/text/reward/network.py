"""The scoring network: a backbone, pooling over its last hidden states, one linear score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.text.reward.sequences import Encoded

Backbone = Any  # a transformers model without its language-modelling head

Pooling = Literal["reply", "sequence", "last"]
"""Mean over the reply's tokens, mean over all tokens, or the last token."""
POOLINGS: tuple[Pooling, ...] = ("reply", "sequence", "last")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the right, all of shape (rows, width).

    Attributes:
        positions: of the rows in what was batched, shape (rows,).
        input_ids: token ids.
        attention_mask: 1 where there is a token.
    """

    positions: tuple[int, ...]
    input_ids: Tensor
    attention_mask: Tensor


@dataclass(frozen=True, slots=True)
class Scored:
    """What the network gives, under the name that transformers' heads use."""

    logits: Tensor


def batches(
    rows: Sequence[Encoded], batch_rows: int, pad_id: int, device: torch.device
) -> Iterator[Batch]:
    """Batches of rows of like length, longest first: the first one needs the most memory."""
    order = sorted(range(len(rows)), key=lambda place: (-len(rows[place].ids), place))
    for start in range(0, len(order), batch_rows):
        places = tuple(order[start : start + batch_rows])
        ids, mask = padded([rows[place] for place in places], pad_id)
        yield Batch(places, ids.to(device), mask.to(device))


def padded(rows: Sequence[Encoded], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of rows padded on the right, both (rows, width)."""
    lengths = torch.tensor([len(row.ids) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad_id)
    for at, row in enumerate(rows):
        ids[at, : lengths[at]] = torch.tensor(row.ids)
    return ids, (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()


def pool_weights(pooling: Pooling, rows: Sequence[Encoded], width: int) -> Tensor:
    """Weight of each token in the pooled state, shape (rows, width), each row's sum 1."""
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
        backbone: gives `last_hidden_state`, (rows, width, hidden).
        weight: of the score, (hidden,).
        bias: of the score.
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
        """Rewards of shape (rows, 1); `pool` is (rows, width), as from `pool_weights`.

        What else the trainer passes (margins, use_cache) is not the network's concern.
        """
        hidden = last_hidden_state(self.backbone, input_ids, attention_mask)
        with torch.autocast(hidden.device.type, enabled=False):
            pooled = torch.einsum("nw,nwh->nh", pool, hidden.float())
            return Scored(self.score(pooled))

    def add_model_tags(self, tags: object) -> None:
        """TRL tags models for the hub's cards; this one isn't published."""


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
    """Rewards of rows in their order, shape (rows,).

    Args:
        network: a `PooledReward`, with adapters or without; in eval mode.
        rows: to score.
        pooling: the network's.
        pad_id: of the padding.
        batch_rows: rows in one forward pass.
        device: the network's.
        progress: told after each batch.
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
    """The backbone's states after its last norm, (rows, width, hidden)."""
    result: Tensor = backbone(
        input_ids=input_ids, attention_mask=attention_mask, use_cache=False
    ).last_hidden_state
    return result
