"""Worlds for rows of customers: the declared effects as arrays, one world to a group of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.world.assumptions import World


@dataclass(frozen=True, slots=True)
class Worlds:
    """`World` as arrays over n rows, shape (n,); `save_effect` has shape (n, O).

    Satisfies `runtime.effects.Effects`.
    """

    offer_response: Floats
    save_effect: Floats
    effect_days: Floats
    refusal_days: Floats
    recency_penalty: Floats
    recency_decay_days: Floats
    disturbance: Floats
    contact_cost_usd: Floats
    discount_months: Floats
    horizon_months: Floats
    period_days: Floats
    hazard_scale: Floats
    acceptance_offset: Floats
    contact_fatigue: Floats
    responsiveness: Floats

    @classmethod
    def of_groups(cls, worlds: Sequence[World], rows_per_group: int) -> "Worlds":
        """Return arrays with one world for each group of consecutive rows."""
        return cls(
            **{
                field.name: np.repeat(
                    np.array([getattr(world, field.name) for world in worlds], dtype=np.float64),
                    rows_per_group,
                    axis=0,
                )
                for field in fields(cls)
            }
        )

    def rows(self, at: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Worlds":
        """Return the worlds of some of the rows."""
        return Worlds(**{field.name: getattr(self, field.name)[at] for field in fields(self)})
