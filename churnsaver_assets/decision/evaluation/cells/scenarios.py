"""True worlds: a scenario's, those drawn from the priors, and those at a prior's ends."""

from collections.abc import Iterator

import msgspec
import numpy as np

from churnsaver_assets.experiments.evaluation_spec import Scenario
from churnsaver_serving.runtime.world.assumptions import (
    CONTRACT_TERMS,
    Assumption,
    Assumptions,
    World,
)


def true_world(scenario: Scenario, nominal: World) -> World:
    """Return the world of a scenario.

    Args:
        scenario: The scenario.
        nominal: The world that policies believe in.

    Raises:
        msgspec.ValidationError: A number of the wrong kind, such as one number where there is one
            for each offer.
    """
    scaled: dict[str, object] = {}
    for name, factor in scenario.scale.items():
        value = getattr(nominal, name)
        scaled[name] = (
            tuple(factor * one for one in value) if isinstance(value, tuple) else factor * value
        )
    world = {**msgspec.structs.asdict(nominal), **scenario.put, **scaled}
    return msgspec.convert(world, World)


def drawn_worlds(assumptions: Assumptions, count: int, seed: int) -> tuple[World, ...]:
    """Draw worlds from the priors; the first ones are the same however many are drawn."""
    rng = np.random.default_rng([seed, _STREAM])
    return tuple(assumptions.draw(rng.uniform) for _ in range(count))


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A world with one assumption at an end of its prior, all else nominal.

    Attributes:
        assumption: Name of the assumption.
        end: Which end, `low` or `high`.
        value: The number there; one for each offer where the assumption has one for each.
        unit: Unit of the number.
        world: The world.
        believed: Whether policies believe it: contract terms are known to all.
    """

    assumption: str
    end: str
    value: tuple[float, ...]
    unit: str
    world: World
    believed: bool


def prior_ends(assumptions: Assumptions) -> Iterator[End]:
    """Yield the worlds at the ends of each prior that has two; effects of offers go together."""
    nominal = assumptions.nominal()
    for name in Assumptions.__struct_fields__:
        found: Assumption | tuple[Assumption, ...] = getattr(assumptions, name)
        parts = found if isinstance(found, tuple) else (found,)
        if all(part.low == part.high for part in parts):
            continue
        for end in ("low", "high"):
            value = tuple(float(getattr(part, end)) for part in parts)
            put = value if isinstance(found, tuple) else value[0]
            yield End(
                assumption=name,
                end=end,
                value=value,
                unit=parts[0].unit if len(parts) == 1 else "hazard multiplier after each offer",
                world=msgspec.structs.replace(nominal, **{name: put}),
                believed=name in CONTRACT_TERMS,
            )


_STREAM = 17
