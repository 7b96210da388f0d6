"""Policies put where the graph's own is stored: one that does nothing, and damaged ones."""

import msgspec
import numpy as np

from churnsaver_assets.defs.lib.io import Files
from churnsaver_serving.runtime.policies.actor import Actor
from churnsaver_serving.runtime.policies.learned import LearnedPolicy


def policy_of(files: Files) -> LearnedPolicy:
    """The policy in the value of the asset `ppo_policy`."""
    return LearnedPolicy.from_files(files)


def doing_nothing(files: Files) -> Files:
    """The same with weights that never want a contact."""
    policy = policy_of(files)
    weights = {name: np.zeros_like(array) for name, array in policy.actor.weights.items()}
    last = f"{len(policy.actor.spec.hidden)}.bias"
    weights[last][0] = 1e6  # above any base's values
    return files | LearnedPolicy(Actor(policy.actor.spec, weights)).to_files()


def diverged(files: Files) -> Files:
    """The same with a first layer so large that single precision loses the logits' last digits."""
    policy = policy_of(files)
    weights = {
        name: array * np.float32(1e4) if name == "0.weight" else array
        for name, array in policy.actor.weights.items()
    }
    return files | LearnedPolicy(Actor(policy.actor.spec, weights)).to_files()


def edited_json(content: bytes, *path: str | int, value: object) -> bytes:
    """A JSON file with another value at a place."""
    root = msgspec.json.decode(content)
    at = root
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return msgspec.json.encode(root)
