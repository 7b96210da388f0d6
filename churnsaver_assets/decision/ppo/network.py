"""Actor and critics, and the actor's export."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from churnsaver_serving.runtime.policies.actor import Actor, LearnedSpec

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Floats32

# Orthogonal initialisation as PPO is usually run (Andrychowicz et al. 2021, section 3.2): a nearly
# uniform policy to begin with.
_HIDDEN_GAIN, _ACTOR_GAIN, _CRITIC_GAIN = 2.0**0.5, 0.01, 1.0

CRITIC_HEADS = 2  # reward, cost


class ActorCritic(nn.Module):
    """An actor that corrects its base on one day's contacts, and critics of reward and cost.

    Args:
        spec: The actor's inputs and layers; the critics have the same hidden layers.
        context: Number of further inputs of the critics.
        rng: Generator of the initial weights.
    """

    def __init__(self, spec: LearnedSpec, context: int, rng: np.random.Generator) -> None:
        super().__init__()
        inputs = len(spec.features)
        self.actor = _perceptron(
            (inputs, *spec.hidden, 1 + len(spec.offers_pct)), spec.activation, _ACTOR_GAIN, rng
        )
        self.critics = _perceptron(
            (inputs + context, *spec.hidden, CRITIC_HEADS), spec.activation, _CRITIC_GAIN, rng
        )

    def corrections(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what is added to the base's values as logits, shape (n, 1 + O)."""
        result: torch.Tensor = self.actor(inputs)
        return result

    def values(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return reward and cost to come, in the critics' units, shape (n, 2)."""
        result: torch.Tensor = self.critics(torch.cat([inputs, context], dim=1))
        return result

    def export(self, spec: LearnedSpec) -> Actor:
        """Return the actor as it is served."""
        weights: dict[str, Floats32] = {}
        linear = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        for position, layer in enumerate(linear):
            weights[f"{position}.weight"] = layer.weight.detach().cpu().numpy().copy()
            weights[f"{position}.bias"] = layer.bias.detach().cpu().numpy().copy()
        return Actor(spec, weights)


def entropy(log_probabilities: torch.Tensor) -> torch.Tensor:
    """Return the entropy of each row, nats, shape (n,)."""
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1)


def _perceptron(
    sizes: tuple[int, ...], activation: str, last_gain: float, rng: np.random.Generator
) -> nn.Sequential:
    layers: list[nn.Module] = []
    last = len(sizes) - 2
    for position in range(last + 1):
        linear = nn.Linear(sizes[position], sizes[position + 1])
        gain = last_gain if position == last else _HIDDEN_GAIN
        with torch.no_grad():
            linear.weight.copy_(_orthogonal(sizes[position + 1], sizes[position], gain, rng))
            linear.bias.zero_()
        layers.append(linear)
        if position < last:
            layers.append(nn.Tanh() if activation == "tanh" else nn.ReLU())
    return nn.Sequential(*layers)


def _orthogonal(rows: int, columns: int, gain: float, rng: np.random.Generator) -> torch.Tensor:
    """Draw a random matrix with orthogonal rows or columns (Saxe et al. 2014), by NumPy."""
    normal = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q = q * np.sign(np.diag(r))
    matrix = q if rows >= columns else q.T
    return torch.from_numpy(np.ascontiguousarray(gain * matrix)).float()
