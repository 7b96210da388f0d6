"""Profiles: what may differ between machines. Scale and hardware; never what is being learnt."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from churnsaver_assets.experiments.spec import ExperimentError

DEFAULT_PROFILE = "demo"

SCALE_AND_HARDWARE = frozenset(
    {
        "baselines.log_replicates",
        "evaluation.replicates",
        "policy.checkpoint_every",
        "policy.device",
        "policy.distillation.updates",
        "policy.ppo.updates",
        "policy.rollout.customers",
        "policy.rollout.groups",
        "policy.threads",
        "text.bank.candidates",
        "text.bank.channels",
        "text.bank.chunk",
        "text.bank.tones",
        "text.base_model.name",
        "text.base_model.source",
        "text.data.preference_sources",
        "text.data.sft_sources",
        "text.hardware.device",
        "text.hardware.gradient_checkpointing",
        "text.hardware.quantisation",
        "text.hardware.threads",
        "text.judge.best_of",
        "text.judge.prompts",
        "text.ppo.batch_rows",
        "text.ppo.iterations",
        "text.ppo.minibatch_rows",
        "text.ppo.save_every",
        "text.prompts.holdout",
        "text.prompts.scale",
        "text.prompts.train",
        "text.rejection.chunk",
        "text.rejection.fine_tune.batch_rows",
        "text.rejection.fine_tune.evaluated_rows",
        "text.rejection.fine_tune.rows",
        "text.rejection.fine_tune.steps",
        "text.rejection.least_passing",
        "text.rejection.rounds",
        "text.rejection.samples",
        "text.reward_model.batch_pairs",
        "text.reward_model.evaluate_every",
        "text.reward_model.evaluated_pairs",
        "text.reward_model.gold_pairs",
        "text.reward_model.kind",
        "text.reward_model.max_tokens",
        "text.reward_model.pairs",
        "text.reward_model.save_every",
        "text.reward_model.steps",
        "text.sampling.batch_rows",
        "text.scale",
        "text.sft.batch_rows",
        "text.sft.evaluated_rows",
        "text.sft.max_tokens",
        "text.sft.rows",
        "text.sft.save_every",
        "text.sft.steps",
    }
)
"""All that a profile may set, as dotted paths in the experiment file."""


def profile_source(name: str) -> bytes:
    """A packaged profile's bytes.

    Raises:
        ExperimentError: there is no such profile.
    """
    folder = resources.files("churnsaver_assets.experiments") / "profiles"
    known = sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )
    if name not in known:
        raise ExperimentError(f"profile {name!r}: unknown; expected one of {known}")
    return (folder / f"{name}.yaml").read_bytes()


def apply_profile(experiment: bytes, profile: bytes, *, where: str = "profile") -> bytes:
    """The experiment file with a profile's values in place of its own.

    An empty profile leaves the file as it is, comments and all.

    Args:
        experiment: the experiment file.
        profile: a mapping from dotted paths to values.
        where: names the profile in errors.

    Raises:
        ExperimentError: not such a mapping, a path that is neither scale nor hardware, or one
            that the experiment file doesn't have.
    """
    try:
        overrides: Any = yaml.safe_load(profile) or {}
        content: Any = yaml.safe_load(experiment)
    except yaml.YAMLError as error:
        raise ExperimentError(f"{where}: {error}") from error
    if not isinstance(overrides, Mapping):
        raise ExperimentError(f"{where}: expected 'path: value' lines, found {overrides!r}")
    if foreign := sorted(str(path) for path in set(overrides) - SCALE_AND_HARDWARE):
        raise ExperimentError(
            f"{where}: {', '.join(foreign)}: a profile sets scale and hardware alone, which are "
            f"{', '.join(sorted(SCALE_AND_HARDWARE))}"
        )
    if not overrides:
        return experiment
    for path, value in overrides.items():
        *parents, last = path.split(".")
        at = content
        for parent in parents:
            at = at.get(parent) if isinstance(at, dict) else None
        if not isinstance(at, dict) or last not in at:
            raise ExperimentError(f"{where}: {path}: the experiment file has no such key")
        at[last] = value
    return yaml.safe_dump(content, sort_keys=False).encode()
