"""Random streams of the baselines, apart from the simulator's."""

from typing import Literal

import numpy as np

Owner = Literal["log", "random", "thompson"]

_KEYS: dict[Owner, int] = {"log": 1, "random": 2, "thompson": 3}


def own_stream(seed: int, owner: Owner, *part: int) -> np.random.Generator:
    """Return a stream apart from the simulator's at the same seed, and from other owners'.

    Were they the same numbers, whom chance contacts would hang on who is lucky.

    Args:
        seed: Seed of the experiment.
        owner: The name of who draws.
        part: Numbers of the part of the owner's stream, such as a day.
    """
    return np.random.default_rng([seed, _KEYS[owner], *part])
