"""The states of the relaxed programmes on a day: where they go, and who may be contacted."""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.planning.timing import Timing
from churnsaver_serving.runtime.arrays import Ints


@dataclass(frozen=True, slots=True)
class Waits:
    """States that wait alike.

    Attributes:
        states: The states.
        refusals: Number of refusals that raise the hazard.
    """

    states: slice
    refusals: int


@dataclass(frozen=True, slots=True)
class States:
    """The states of one day: positions among patterns times contact days, the untouched last.

    Attributes:
        waits: States by what their hazard is.
        forgetting: States that forget a contact by tomorrow, shape (f,).
        forgotten: The states they are then, shape (f,).
        open: States that may be contacted again, the untouched last, shape (k,).
        latest: Day of the latest contact of each but the last, shape (k - 1,).
        ages: Position of each in the table of acceptance, shape (k,).
        refused: The state of each on the same day, once it has refused, shape (k,).
    """

    waits: tuple[Waits, ...]
    forgetting: Ints
    forgotten: Ints
    open: Ints
    latest: Ints
    ages: Ints
    refused: Ints

    @classmethod
    def of(cls, timing: Timing, day: int) -> "States":
        """Return the states of a day."""
        width, untouched = len(timing.contact_days), timing.states - 1
        waits, pairs = [], []
        opened: list[tuple[int, int, int, int]] = []
        high, top = timing.position(day + 1), timing.position(day - timing.gap + 1)
        index = {pattern: place * width for place, pattern in enumerate(timing.patterns)}
        for pattern, base in index.items():
            limit, earlier = timing.limit(pattern), len(pattern)
            low = timing.position(day - limit + 1)
            calm = low if pattern else max(low, timing.position(day - timing.raised + 1))
            waits.append(Waits(slice(base + low, base + calm), 0))
            waits.append(Waits(slice(base + calm, base + high), 1 + earlier))
            if low < width and timing.contact_days[low] == day - limit + 1:
                then = index[pattern[:-1]] + low if pattern else untouched
                pairs.append((base + low, then))
            for place in range(low, top):
                since = day - int(timing.contact_days[place])
                if earlier + (since < timing.window) >= timing.cap:
                    continue
                after = index[timing.after(pattern, since)] + high - 1
                opened.append((base + place, place, timing.age(since, earlier), after))
        opened.append((untouched, 0, timing.age(timing.remembered, 0), high - 1))
        table, merged = np.array(opened), np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return cls(
            waits=tuple(one for one in waits if one.states.start < one.states.stop),
            forgetting=merged[:, 0],
            forgotten=merged[:, 1],
            open=table[:, 0],
            latest=timing.contact_days[table[:-1, 1]],
            ages=table[:, 2],
            refused=table[:, 3],
        )
