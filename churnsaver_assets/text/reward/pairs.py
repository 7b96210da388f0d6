"""Preference pairs as columns: chosen ones drawn, tokenised, and cut by source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.sequences import Encoded, Tokenizer, encode
from churnsaver_serving.runtime.arrays import Floats

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of equal length, one entry for each pair.

    Attributes:
        chosen: Prompt and better reply.
        rejected: Prompt and other reply.
        margins: Preference of the better reply where its source states one, else 0; shape
            (pairs,).
        prompts: Id of the prompt, unique over all sources.
        sources: Name of the data set.
    """

    chosen: tuple[Encoded, ...]
    rejected: tuple[Encoded, ...]
    margins: Floats
    prompts: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def rows(self) -> list[Encoded]:
        """Return all chosen rows, then all rejected ones."""
        return [*self.chosen, *self.rejected]

    @property
    def token_differences(self) -> Floats:
        """Return the tokens of each whole chosen reply less the rejected one's, shape (pairs,).

        Cut replies count whole too: if length alone saw no more than the reward model does, pairs
        of long replies would be ties, and the baseline weaker than it is.
        """
        return np.array(
            [
                better.reply_tokens - other.reply_tokens
                for better, other in zip(self.chosen, self.rejected, strict=True)
            ],
            dtype=np.float64,
        )

    def by_source(self) -> dict[str, Places]:
        """Return the places of each source's pairs."""
        names = np.array(self.sources)
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}

    def take(self, places: Sequence[int] | Places) -> "Pairs":
        """Return the pairs at these places."""
        return Pairs(
            tuple(self.chosen[at] for at in places),
            tuple(self.rejected[at] for at in places),
            self.margins[np.asarray(places, dtype=np.intp)],
            tuple(self.prompts[at] for at in places),
            tuple(self.sources[at] for at in places),
        )


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[PreferencePair], max_tokens: int) -> Pairs:
    """Encode pairs as token ids.

    Args:
        tokenizer: Tokenizer with an end token.
        pairs: At least one pair.
        max_tokens: Most tokens of prompt, reply and end token, see `encode`.

    Raises:
        ValueError: There are no pairs.
    """
    if not pairs:
        raise ValueError("expected at least one preference pair")
    prompts = [pair.prompt for pair in pairs]
    rows = encode(
        tokenizer,
        prompts + prompts,
        [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs],
        max_tokens,
    )
    return Pairs(
        tuple(rows[: len(pairs)]),
        tuple(rows[len(pairs) :]),
        np.array([pair.margin for pair in pairs], dtype=np.float64),
        tuple(_key(pair) for pair in pairs),
        tuple(pair.source for pair in pairs),
    )


def draw(
    pairs: Sequence[PreferencePair], *, most: int, seed: int, of_each_source: bool = False
) -> list[PreferencePair]:
    """Draw at most so many pairs, in random order.

    Args:
        pairs: Pairs to draw from.
        most: Most pairs over all sources, or of each.
        seed: Seed for the draw.
        of_each_source: Whether `most` counts the pairs of each source.
    """
    order = np.random.default_rng(seed).permutation(len(pairs))
    if not of_each_source:
        return [pairs[at] for at in order[:most]]
    taken: dict[str, int] = {}
    drawn = []
    for at in order:
        source = pairs[at].source
        if taken.get(source, 0) < most:
            taken[source] = taken.get(source, 0) + 1
            drawn.append(pairs[at])
    return drawn


def check_apart(train: Sequence[PreferencePair], held_out: Sequence[PreferencePair]) -> None:
    """Refuse pairs of training and holdout that share a prompt.

    Raises:
        ValueError: A prompt is on both sides.
    """
    both = {_key(pair) for pair in train} & {_key(pair) for pair in held_out}
    if both:
        raise ValueError(
            f"{len(both)} prompts have pairs in training and in the holdout, such as "
            f"{min(both)!r}: split the pairs by prompt_id"
        )


def _key(pair: PreferencePair) -> str:
    return f"{pair.source}/{pair.prompt_id}"
