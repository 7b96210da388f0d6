"""The value head: linear on standardised hidden states, started from the reward model's head."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

# A narrower hidden state is as good as constant.
_LEAST_SCALE = 1e-4


class ValueHead(nn.Module):
    """Expected return before a token.

    Hidden states have a few dimensions far larger than the rest. Standardised by what the first
    rollout showed, one learning rate fits all weights.

    Attributes:
        mean: Means of the hidden states, shape (hidden,).
        scale: Standard deviations of the hidden states, shape (hidden,).
        linear: Linear layer on the standardised hidden states.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(hidden))
        self.register_buffer("scale", torch.ones(hidden))
        self.linear = nn.Linear(hidden, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Compute values, from (tokens, hidden) to (tokens,)."""
        standardised = (hidden.float() - self.mean) / self.scale
        values: Tensor = self.linear(standardised)[:, 0]
        return values

    @torch.no_grad()
    def start(self, hidden: Tensor, returns: Tensor, direction: npt.NDArray[np.floating]) -> bool:
        """Standardise, and start along the reward model's direction.

        The policy's hidden states have another scale and offset than those that the reward model
        was fitted on, and returns another than its scores. Two numbers bridge that, slope and
        intercept of the returns' regression on the projection: few enough for one rollout, where a
        regression on every dimension would only learn its rows by heart. A negative slope says
        that the direction is of no use here; values then start at the mean return.

        Args:
            hidden: Hidden states of the first rollout's tokens, shape (tokens, hidden).
            returns: Return after each of them, shape (tokens,).
            direction: Weights of the reward model's head; not used where their number differs from
                that of the hidden states' dimensions.

        Returns:
            Whether the direction is used.
        """
        self.mean.copy_(hidden.mean(0))
        self.scale.copy_(hidden.std(0, correction=0).clamp_min(_LEAST_SCALE))
        self.linear.weight.zero_()
        self.linear.bias.fill_(float(returns.mean()))
        if direction.shape != (self.linear.in_features,):
            return False
        weight = torch.tensor(direction, dtype=torch.float32, device=hidden.device) * self.scale
        projected = (hidden.float() - self.mean) / self.scale @ weight
        variance = float(projected.square().mean())
        if variance == 0.0:
            return False
        slope = float((projected * (returns - returns.mean())).mean()) / variance
        if slope <= 0.0:
            return False
        self.linear.weight.copy_(slope * weight[None, :])
        return True
