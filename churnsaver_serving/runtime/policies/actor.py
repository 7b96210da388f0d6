"""The learned policy's network as data, and its forward pass in NumPy. Training is not here."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Meta

from churnsaver_serving.runtime.arrays import Floats, Floats32
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.policy_features import feature_names, policy_features

SPEC_FILE = "policy.json"
WEIGHTS_FILE = "actor.safetensors"

Activation = Literal["relu", "tanh"]


class LearnedPolicyError(ValueError):
    """Files that make no learned policy; names the file and what is wrong with it."""


class LearnedSpec(msgspec.Struct, tag="learned", frozen=True, forbid_unknown_fields=True):
    """The description of a learned policy that its weights don't give.

    Attributes:
        offers_pct: The offers it was trained on, percent, ascending.
        features: Names of the inputs, among `feature_names(offers_pct)`.
        mean: Number that is subtracted from each input.
        scale: Number by which each input is divided then.
        clip: Bound on inputs: they are kept within plus and minus this.
        hidden: Units of each hidden layer.
        activation: Function between the layers.
        base: The policy whose values the network corrects; None for none.
        unit_usd: Unit in which the base's values count beside the network's, USD.
    """

    offers_pct: tuple[int, ...]
    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[Annotated[float, Meta(gt=0)], ...]
    clip: Annotated[float, Meta(gt=0)]
    hidden: tuple[Annotated[int, Meta(ge=1)], ...]
    activation: Activation
    base: OneStepPolicy | None = None
    unit_usd: Annotated[float, Meta(gt=0)] = 1.0

    def based(self, observation: Observation) -> Floats:
        """Return the base's values in its unit, shape (n, 1 + O); 0 where there is none."""
        if self.base is None:
            return np.zeros((len(observation), 1 + len(self.offers_pct)))
        return self.base.preferences(observation) / self.unit_usd

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the weights' names and shapes; layers count from 0, the last gives the logits."""
        sizes = (len(self.features), *self.hidden, 1 + len(self.offers_pct))
        result: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            result[f"{layer}.weight"] = (fan_out, fan_in)
            result[f"{layer}.bias"] = (fan_out,)
        return result


class Inputs:
    """The way from an observation to the network's inputs, in training and serving alike.

    Args:
        spec: The names of the features and their scales.

    Raises:
        LearnedPolicyError: There are features that nobody computes, or a scaling doesn't fit them.
    """

    def __init__(self, spec: LearnedSpec) -> None:
        known = feature_names(spec.offers_pct)
        if unknown := [name for name in spec.features if name not in known]:
            raise LearnedPolicyError(f"{SPEC_FILE}: unknown features {unknown}; known: {known}")
        for name in ("mean", "scale"):
            values = getattr(spec, name)
            if len(values) != len(spec.features) or not all(map(math.isfinite, values)):
                raise LearnedPolicyError(
                    f"{SPEC_FILE}: {name}: expected {len(spec.features)} finite numbers, "
                    f"got {values}"
                )
        self._columns = np.array([known.index(name) for name in spec.features])
        self._mean, self._scale = np.array(spec.mean), np.array(spec.scale)
        self._clip = spec.clip

    def of(self, observation: Observation) -> Floats:
        """Return n customers' inputs, each on its day, shape (n, features)."""
        return self.scaled(policy_features(observation))

    def scaled(self, features: Floats) -> Floats:
        """Scale what `policy_features` returned to inputs."""
        plain: Floats = (features[:, self._columns] - self._mean) / self._scale
        return plain.clip(-self._clip, self._clip)


class Actor:
    """A network that judges contacts made on one day: it corrects its base, if it has one.

    Args:
        spec: Inputs and layers.
        weights: Weights by name, float32, shaped as in `spec.shapes()`.

    Raises:
        LearnedPolicyError: Weights are missing, too many, of another shape or type, or not finite.
    """

    def __init__(self, spec: LearnedSpec, weights: Mapping[str, Floats32]) -> None:
        _check_weights(spec, weights)
        self.spec = spec
        self.weights = dict(weights)
        self.inputs = Inputs(spec)
        # In double precision a row's result doesn't depend on which others are in its batch.
        layers = range(len(spec.hidden) + 1)
        self._layers = [
            (
                weights[f"{layer}.weight"].T.astype(np.float64),
                weights[f"{layer}.bias"].astype(np.float64),
            )
            for layer in layers
        ]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build the actor from its files' contents.

        Args:
            files: Contents under the names `SPEC_FILE` and `WEIGHTS_FILE`; others are ignored.

        Raises:
            LearnedPolicyError: A file is missing, can't be read, or doesn't fit the other.
        """
        for name in (SPEC_FILE, WEIGHTS_FILE):
            if name not in files:
                raise LearnedPolicyError(f"{name} is missing; got {sorted(files)}")
        try:
            spec = msgspec.json.decode(files[SPEC_FILE], type=LearnedSpec)
        except msgspec.MsgspecError as error:
            raise LearnedPolicyError(f"{SPEC_FILE} can't be read: {error}") from error
        try:
            weights = safetensors.numpy.load(files[WEIGHTS_FILE])
        except safetensors.SafetensorError as error:
            raise LearnedPolicyError(f"{WEIGHTS_FILE} can't be read: {error}") from error
        return cls(spec, weights)

    def to_files(self) -> dict[str, bytes]:
        """Return the actor's files, name to contents. `from_files` of these judges the same."""
        return {
            SPEC_FILE: msgspec.json.encode(self.spec),
            WEIGHTS_FILE: safetensors.numpy.save(self.weights),
        }

    def preferences(self, observation: Observation) -> Floats:
        """Return the logits of no contact and of each offer, shape (n, 1 + O)."""
        return self.spec.based(observation) + self.corrections(self.inputs.of(observation))

    def corrections(self, inputs: Floats) -> Floats:
        """Return what the network adds to the base, shape (n, 1 + O)."""
        hidden = inputs
        for weight, bias in self._layers[:-1]:
            hidden = hidden @ weight + bias
            hidden = np.tanh(hidden) if self.spec.activation == "tanh" else np.maximum(hidden, 0.0)
        weight, bias = self._layers[-1]
        logits: Floats = hidden @ weight + bias
        return logits


def _check_weights(spec: LearnedSpec, weights: Mapping[str, Floats32]) -> None:
    shapes = spec.shapes()
    if set(weights) != set(shapes):
        missing, extra = sorted(set(shapes) - set(weights)), sorted(set(weights) - set(shapes))
        raise LearnedPolicyError(f"{WEIGHTS_FILE}: missing {missing}, unexpected {extra}")
    for name, shape in shapes.items():
        tensor = weights[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise LearnedPolicyError(
                f"{WEIGHTS_FILE}: {name}: expected float32 of shape {shape}, "
                f"got {tensor.dtype} of shape {tensor.shape}"
            )
        if not np.isfinite(tensor).all():
            raise LearnedPolicyError(f"{WEIGHTS_FILE}: {name}: not all numbers are finite")
