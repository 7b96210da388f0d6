"""Adapters merged into the weights they stand on, always from full precision."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, save_model
from churnsaver_assets.text.ppo.policy import ADAPTER, Policy


def take_full_weights(
    policy_dir: Path, policy: Policy, hardware: HardwareSpec
) -> dict[str, Tensor]:
    """The adapted layers' own weights in fp32, by name; in the policy, bf16 ones take their place.

    Autocast would cast these frozen weights anew at every use, to the same bf16 numbers. Merging
    needs the full ones: rounded weights would swallow deltas under half a step of bf16.

    Args:
        policy_dir: that the policy was built from.
        policy: its frozen weights are changed in place.
        hardware: a quantised policy's full weights are read from `policy_dir`.
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
def merged_weights(policy: Policy, full: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The adapted layers' weights with the adapters' deltas, by name, in fp32."""
    for name, layer in policy.adapted():
        yield name, full[name] + layer.get_delta_weight(ADAPTER).float()


@torch.no_grad()
def save_merged(
    policy_dir: Path,
    policy: Policy,
    full: Mapping[str, Tensor],
    hardware: HardwareSpec,
    target: Path,
) -> None:
    """Write the policy as a model directory.

    Args:
        policy_dir: that the policy was built from.
        policy: as trained.
        full: of `take_full_weights`.
        hardware: to load with.
        target: the directory.
    """
    model = load_model(policy_dir, hardware, dtype="float32")
    for name, weight in merged_weights(policy, full):
        model.get_parameter(f"{name}.weight").copy_(weight)
    save_model(model, load_tokenizer(policy_dir), target)
