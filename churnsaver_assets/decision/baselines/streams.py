"""Random streams of the baselines, apart from the simulator's."""

from typing import Literal

import numpy as np

Owner = Literal["log", "random", "thompson"]

_KEYS: dict[Owner, int] = {"log": 1, "random": 2, "thompson": 3}


def own_stream(seed: int, owner: Owner) -> np.random.Generator:
    """Return a stream apart from the simulator's at the same seed, and from other owners'.

    Were they the same numbers, whom chance contacts would hang on who is lucky.
    """
    return np.random.default_rng([seed, _KEYS[owner]])
