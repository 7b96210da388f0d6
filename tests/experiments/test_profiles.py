"""Profiles: they set scale and hardware, say what they can't set, and leave the rest alone."""

import pytest
import yaml

from churnsaver_assets.experiments.profiles import (
    DEFAULT_PROFILE,
    SCALE_AND_HARDWARE,
    apply_profile,
    profile_source,
)
from churnsaver_assets.experiments.spec import (
    ExperimentError,
    experiment_source,
    parse_experiment,
)

SOURCE = experiment_source()
PACKAGED = ("demo", "local", "gcp")


def test_values_are_put_in_place_and_nothing_else_changes() -> None:
    profile = b"policy.ppo.updates: 7\npolicy.device: cuda\npacing.customers: 30\n"
    before = parse_experiment(SOURCE)
    after = parse_experiment(apply_profile(SOURCE, profile))
    assert (after.policy.ppo.updates, after.policy.device) == (7, "cuda")
    assert after.pacing.customers == 30
    same = {"updates": before.policy.ppo.updates}
    policy = after.policy.model_copy(
        update={"ppo": after.policy.ppo.model_copy(update=same), "device": before.policy.device}
    )
    pacing = after.pacing.model_copy(update={"customers": before.pacing.customers})
    assert after.model_copy(update={"policy": policy, "pacing": pacing}) == before


def test_every_path_that_may_be_set_is_one_of_the_packaged_experiment() -> None:
    """All at once, each to a number of its own."""
    expected = yaml.safe_load(SOURCE)
    values = {path: 12345 + at for at, path in enumerate(sorted(SCALE_AND_HARDWARE))}
    for path, value in values.items():
        *parents, last = path.split(".")
        at = expected
        for parent in parents:
            at = at[parent]
        assert at[last] not in values.values()
        at[last] = value
    assert yaml.safe_load(apply_profile(SOURCE, yaml.safe_dump(values).encode())) == expected


@pytest.mark.parametrize("profile", [b"", b"# nothing\n", b"{}\n"])
def test_an_empty_profile_leaves_every_byte(profile: bytes) -> None:
    assert apply_profile(SOURCE, profile) is SOURCE


def test_the_local_profile_is_the_experiment_file_itself() -> None:
    assert apply_profile(SOURCE, profile_source("local")) == SOURCE


def test_the_default_profile_says_that_its_messages_are_a_demo() -> None:
    for name in PACKAGED:
        found = parse_experiment(apply_profile(SOURCE, profile_source(name)))
        assert found.text.scale == ("demo" if name == DEFAULT_PROFILE else "full")


def test_a_scale_without_a_gate_is_refused() -> None:
    content = yaml.safe_load(SOURCE)
    del content["gates"]["text"]["full"]
    with pytest.raises(ExperimentError, match=r"gates\.text: missing 'full'"):
        parse_experiment(yaml.safe_dump(content).encode())


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_profiles_give_an_experiment(name: str) -> None:
    found = parse_experiment(apply_profile(SOURCE, profile_source(name)))
    plain = parse_experiment(SOURCE)
    assert (found.seed, found.assumptions, found.rules) == (
        plain.seed,
        plain.assumptions,
        plain.rules,
    )


@pytest.mark.parametrize(
    "path",
    ["seed", "assumptions.disturbance.value", "policy.ppo.clip", "gates.sample.policy", "no.such"],
)
def test_what_is_neither_scale_nor_hardware_is_refused_by_name(path: str) -> None:
    with pytest.raises(ExperimentError, match=rf"profile big: {path}: .*scale and hardware alone"):
        apply_profile(SOURCE, yaml.safe_dump({path: 1}).encode(), where="profile big")


def test_every_foreign_path_is_named_and_none_is_applied() -> None:
    profile = b"policy.threads: 2\nseed: 1\nname: other\n"
    with pytest.raises(ExperimentError, match="name, seed:"):
        apply_profile(SOURCE, profile)


def test_a_path_that_the_experiment_lacks_is_refused() -> None:
    content = yaml.safe_load(SOURCE)
    del content["policy"]["threads"]
    without = yaml.safe_dump(content).encode()
    with pytest.raises(ExperimentError, match=r"policy\.threads: the experiment file has no such"):
        apply_profile(without, b"policy.threads: 2\n")
    content["policy"] = 5
    with pytest.raises(ExperimentError, match=r"policy\.threads: the experiment file has no such"):
        apply_profile(yaml.safe_dump(content).encode(), b"policy.threads: 2\n")


def test_a_value_out_of_its_range_is_found_where_the_experiment_is_read() -> None:
    changed = apply_profile(SOURCE, b"policy.threads: 0\n")
    with pytest.raises(ExperimentError, match=r"policy\.threads"):
        parse_experiment(changed)


@pytest.mark.parametrize("profile", [b"- policy.threads\n", b"policy\n", b"{a: [}\n"])
def test_what_is_no_mapping_is_refused(profile: bytes) -> None:
    with pytest.raises(ExperimentError, match="profile"):
        apply_profile(SOURCE, profile)


@pytest.mark.parametrize("name", ["tpu", "", "../spec", "local.yaml"])
def test_an_unknown_profile_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        ExperimentError, match=r"unknown; expected one of \['demo', 'gcp', 'local'\]"
    ):
        profile_source(name)
