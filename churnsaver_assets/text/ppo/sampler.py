"""The merged copy of the policy: sampled from in each iteration, written at the end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, save_model
from churnsaver_assets.text.model.sampler import Sample, end_tokens, sample
from churnsaver_assets.text.ppo.policy import ADAPTER, TextPolicy


def take_full_weights(
    policy_dir: Path, policy: TextPolicy, hardware: HardwareSpec
) -> dict[str, Tensor]:
    """Take the adapted layers' weights in fp32, by name, and leave bf16 ones in the policy.

    Autocast would cast these frozen weights anew at every use, to the same bf16 numbers. Merging
    needs the full ones: rounded weights would swallow deltas under half a step of bf16.

    Args:
        policy_dir: Model directory that the policy was built from.
        policy: Policy; its frozen weights are changed in place.
        hardware: Quantisation: a quantised policy's full weights are read from `policy_dir`.
    """
    if hardware.quantisation != "none":
        model = load_model(policy_dir, hardware, dtype="float32")
        return {
            name: model.get_parameter(f"{name}.weight").detach() for name, _ in policy.adapted()
        }
    full = {}
    for name, layer in policy.adapted():
        weight = layer.get_base_layer().weight
        full[name] = weight.detach()
        if policy.bf16:
            weight.data = weight.detach().to(torch.bfloat16)
    return full


@torch.no_grad()
def merged_weights(policy: TextPolicy, full: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the adapted layers' weights with the adapters' deltas, by name, in fp32."""
    for name, layer in policy.adapted():
        yield name, full[name] + layer.get_delta_weight(ADAPTER).float()


@torch.no_grad()
def save_merged(
    policy_dir: Path,
    policy: TextPolicy,
    full: Mapping[str, Tensor],
    hardware: HardwareSpec,
    target: Path,
) -> None:
    """Write the policy as a model directory.

    Args:
        policy_dir: Model directory that the policy was built from.
        policy: Policy as trained.
        full: Weights from `take_full_weights`.
        hardware: Threads and device to load with.
        target: Model directory to write.
    """
    model = load_model(policy_dir, hardware, dtype="float32")
    for name, weight in merged_weights(policy, full):
        model.get_parameter(f"{name}.weight").copy_(weight)
    save_model(model, load_tokenizer(policy_dir), target)


class Sampler:
    """A plain copy of the model with the adapters' deltas in its weights.

    Merged, a token costs one product a layer instead of three, and no adapter code; in bf16 it
    reads half the bytes. Only the adapted layers are written at a sync, in place.
    """

    def __init__(self, policy_dir: Path, hardware: HardwareSpec) -> None:
        self._model = load_model(policy_dir, hardware, dtype=hardware.frozen_dtype)

    @property
    def ends(self) -> set[int]:
        """Return the tokens that the model's own settings end a completion with."""
        return end_tokens(self._model)

    @torch.no_grad()
    def sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take over the policy's weights.

        Args:
            weights: Merged weights of the adapted layers, by name.
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
        """Sample completions of prompts; arguments as of `text.model.sampler.sample`."""
        return sample(
            self._model, prompts, sampling, ends=ends, padding=padding, generator=generator
        )
