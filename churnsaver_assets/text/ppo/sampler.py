"""A merged copy of the policy to sample from, which follows it without being made anew."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.loading import load_model
from churnsaver_assets.text.model.sampler import Sample, end_tokens, sample


class Sampler:
    """A plain copy of the model with the adapters' deltas in its weights.

    Merged, a token costs one product a layer instead of three, and no adapter code; in bf16 it
    reads half the bytes. Only the adapted layers are written at a sync, in place.
    """

    def __init__(self, policy_dir: Path, hardware: HardwareSpec) -> None:
        self._model = load_model(policy_dir, hardware, dtype=hardware.frozen_dtype)

    @property
    def ends(self) -> set[int]:
        """Tokens that the model's own settings end a completion with."""
        return end_tokens(self._model)

    @torch.no_grad()
    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take over the policy's weights.

        Args:
            weights: of the adapted layers, merged, by name.
        """
        for name, merged in weights:
            self._model.get_parameter(f"{name}.weight").copy_(merged)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingSpec,
        *,
        ends: AbstractSet[int],
        padding: int,
        generator: torch.Generator,
    ) -> list[Sample]:
        """Completions of prompts, in their order; arguments as of `text.sampler.sample`."""
        return sample(
            self._model, prompts, sampling, ends=ends, padding=padding, generator=generator
        )
