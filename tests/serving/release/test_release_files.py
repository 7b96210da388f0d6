"""A release is what its manifest says, byte for byte, or it is refused by the file's name."""

from pathlib import Path

import msgspec
import pytest
from upath import UPath

from churnsaver_serving.runtime.engine.release import (
    ACTIONS_FILE,
    ASSUMPTIONS_FILE,
    GOLDEN_FILE,
    RULES_FILE,
    Release,
    UnknownPolicyError,
    load_release,
    write_release,
)
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.manifest import (
    MANIFEST_FILE,
    Manifest,
    encode_manifest,
    file_entries,
    release_id,
)
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.policies.policy import OneStepPolicy, PropensityPolicy
from churnsaver_serving.runtime.policies.served_policy import (
    BASELINE_FILE,
    PACING_FILE,
    POLICY_FILE,
)
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.verified import ReleaseError
from tests.support.serving.policy import small_policy
from tests.support.serving.release import (
    RULES,
    assumptions,
    policy_files,
    release_files,
    save_release,
)

FILES = [
    "churn_risk/calibrator.json",
    "churn_risk/encoder.json",
    "churn_risk/model.ubj",
    "experiment/actions.json",
    "experiment/assumptions.json",
    "experiment/holidays.json",
    "experiment/rules.json",
    "golden.json",
    "manifest.json",
    "messages/bank.json",
    "messages/sending.json",
    "messages/shield.json",
    "messages/templates.json",
    "messages/wording.json",
    "offer_acceptance/calibrator.json",
    "offer_acceptance/encoder.json",
    "offer_acceptance/model.ubj",
    "policy/actor.safetensors",
    "policy/baseline.json",
    "policy/pacing.json",
    "policy/policy.json",
]

LITTER = [
    *(".DS_Store", "._actor.safetensors", ".nfs0000000000a1b2c3", ".fuse_hidden0000001"),
    *("Thumbs.db", "desktop.ini"),
]


def test_these_are_all_files(learned_dir: UPath) -> None:
    found = {str(path.relative_to(learned_dir)) for path in learned_dir.rglob("*.*")}
    assert found == set(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_flipped_byte(own_release: Path, name: str, place: str) -> None:
    data = bytearray((own_release / name).read_bytes())
    at = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[place]
    data[at] ^= 1
    (own_release / name).write_bytes(data)
    with pytest.raises(ReleaseError, match=f"{name} was changed"):
        load_release(UPath(own_release))


@pytest.mark.parametrize("name", FILES)
def test_missing_file(own_release: Path, name: str) -> None:
    (own_release / name).unlink()
    with pytest.raises(ReleaseError, match=f"{name} is missing"):
        load_release(UPath(own_release))


@pytest.mark.parametrize("name", FILES)
def test_truncated_file(own_release: Path, name: str) -> None:
    data = (own_release / name).read_bytes()
    (own_release / name).write_bytes(data[:-1])
    with pytest.raises(ReleaseError, match=f"{name} was changed"):
        load_release(UPath(own_release))


def test_added_file(own_release: Path) -> None:
    (own_release / "policy" / "other.json").write_bytes(b"{}")
    with pytest.raises(ReleaseError, match=r"policy/other\.json"):
        load_release(UPath(own_release))


def test_a_directory_named_by_another_hash(own_release: Path) -> None:
    renamed = own_release.rename(own_release.with_name("0" * 64))
    with pytest.raises(ReleaseError, match=rf"its sha256 is {own_release.name}, .* named 0000"):
        load_release(UPath(renamed))


def test_a_directory_of_any_other_name_is_known_by_its_manifest(
    own_release: Path, learned_release: Release
) -> None:
    link = own_release.with_name("current")
    link.symlink_to(own_release.name)
    assert load_release(UPath(link)).id == learned_release.id
    link.unlink()
    renamed = own_release.rename(own_release.with_name("release"))
    assert load_release(UPath(renamed)).id == learned_release.id
    (renamed / MANIFEST_FILE).write_bytes((renamed / MANIFEST_FILE).read_bytes() + b" ")
    assert load_release(UPath(renamed)).id != learned_release.id


@pytest.mark.parametrize("name", LITTER)
def test_what_operating_systems_leave_behind_is_no_change(own_release: Path, name: str) -> None:
    (own_release / "policy" / name).write_bytes(b"\0")
    assert load_release(UPath(own_release)).id == own_release.name


@pytest.mark.parametrize("name", [".hidden", "DS_Store", "nfs1.json", "a._b"])
def test_other_hidden_files_are_extra(own_release: Path, name: str) -> None:
    (own_release / "policy" / name).write_bytes(b"{}")
    with pytest.raises(ReleaseError, match=f"doesn't name: policy/{name}"):
        load_release(UPath(own_release))


def test_works_on_any_fsspec_path(learned_files: dict[str, bytes]) -> None:
    directory = save_release(UPath("memory://releases"), learned_files)
    assert load_release(directory).id == directory.name


def test_is_written_once(release_dir: UPath, files: dict[str, bytes]) -> None:
    before = {path: path.stat().st_mtime_ns for path in release_dir.rglob("*")}
    assert save_release(release_dir.parent, files) == release_dir
    assert {path: path.stat().st_mtime_ns for path in release_dir.rglob("*")} == before


def test_another_content_is_another_release(
    release_dir: UPath, files: dict[str, bytes], tmp_path: Path
) -> None:
    changed = msgspec.json.encode(msgspec.structs.replace(RULES, cooldown_days=8))
    other = save_release(UPath(tmp_path), files | {RULES_FILE: changed})
    assert other.name != release_dir.name


def test_manifest_must_name_the_files(release_dir: UPath, tmp_path: Path) -> None:
    manifest = msgspec.json.decode((release_dir / MANIFEST_FILE).read_bytes(), type=Manifest)
    with pytest.raises(ReleaseError, match="manifest names"):
        write_release(UPath(tmp_path), {"a.json": b"{}"}, manifest)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["../a.json", "x/../../a.json", "/a.json", "x//a.json"])
def test_no_file_is_read_or_written_outside(
    release_dir: UPath, files: dict[str, bytes], tmp_path: Path, path: str
) -> None:
    manifest = msgspec.json.decode((release_dir / MANIFEST_FILE).read_bytes(), type=Manifest)
    added = files | {path: b"{}"}
    outside = msgspec.structs.replace(manifest, files=file_entries(added))
    with pytest.raises(ReleaseError, match="which is not below the release"):
        write_release(UPath(tmp_path / "root"), added, outside)
    head = encode_manifest(outside)
    directory = UPath(tmp_path / release_id(head))
    directory.mkdir()
    (directory / MANIFEST_FILE).write_bytes(head)
    with pytest.raises(ReleaseError, match="which is not below the release"):
        load_release(directory)
    assert list(tmp_path.iterdir()) == [Path(directory)]


def test_models_that_score_otherwise_than_recorded(
    release_dir: UPath, files: dict[str, bytes], tmp_path: Path
) -> None:
    golden = msgspec.json.decode(files[GOLDEN_FILE])
    golden["p_churn"][0] += 1e-3
    with pytest.raises(ReleaseError, match=r"golden\.json: p_churn differs by 0\.001"):
        save_release(UPath(tmp_path), files | {GOLDEN_FILE: msgspec.json.encode(golden)})


def test_policy_that_decides_otherwise_than_recorded(
    learned_files: dict[str, bytes], tmp_path: Path
) -> None:
    golden = msgspec.json.decode(learned_files[GOLDEN_FILE])
    other = golden | {"action": [golden["action"][0], 3]}
    with pytest.raises(ReleaseError, match=r"golden\.json: action differs .* \['g2'\]"):
        save_release(UPath(tmp_path), learned_files | {GOLDEN_FILE: msgspec.json.encode(other)})
    retrained = policy_files(small_policy(seed=43))
    with pytest.raises(ReleaseError, match=r"golden\.json: preferences differs by"):
        save_release(UPath(tmp_path), learned_files | retrained)


@pytest.mark.parametrize("learned", [True, False])
def test_golden_answers_depend_on_pace(
    files: dict[str, bytes], learned_files: dict[str, bytes], tmp_path: Path, *, learned: bool
) -> None:
    parts = learned_files if learned else files
    golden = msgspec.json.decode(parts[GOLDEN_FILE])
    golden["pace"]["multiplier"] = 3.0
    with pytest.raises(ReleaseError, match=r"golden\.json: preferences differs by"):
        save_release(UPath(tmp_path), parts | {GOLDEN_FILE: msgspec.json.encode(golden)})


def test_golden_answers_of_a_policy_that_rules_offers_out(
    risk: ScoringModel, acceptance: AcceptanceModel, tmp_path: Path
) -> None:
    narrow = release_files(risk, acceptance, policy=OneStepPolicy(offers_pct=(0, 20)))
    golden = msgspec.json.decode(narrow[GOLDEN_FILE])
    assert [one is None for one in golden["preferences"][0]] == [False, False, True, True, False]
    assert load_release(save_release(UPath(tmp_path), narrow)).default == "one_step"
    wider = narrow | policy_files(OneStepPolicy())
    with pytest.raises(ReleaseError, match=r"golden\.json: preferences differs by inf"):
        save_release(UPath(tmp_path), wider)


@pytest.mark.parametrize(
    "name", ["policy/actor.safetensors", "policy/others/ppo/actor.safetensors"]
)
def test_learned_policy_needs_its_files(
    learned_files: dict[str, bytes], several_files: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    parts = several_files if "others" in name else learned_files
    left = {path: data for path, data in parts.items() if path != name}
    with pytest.raises(ReleaseError, match=f"{name} is missing"):
        save_release(UPath(tmp_path), left)
    with pytest.raises(ReleaseError, match=f"{name} can't be read"):
        save_release(UPath(tmp_path), parts | {name: b"{}"})


@pytest.mark.parametrize("name", [POLICY_FILE, BASELINE_FILE, PACING_FILE])
def test_every_release_needs_these(files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    left = {path: data for path, data in files.items() if path != name}
    with pytest.raises(ReleaseError, match=f"{name} is missing"):
        save_release(UPath(tmp_path), left)
    with pytest.raises(ReleaseError, match=f"{name} can't be read"):
        save_release(UPath(tmp_path), files | {name: b"{}"})


def test_pacing_that_contradicts_itself(files: dict[str, bytes], tmp_path: Path) -> None:
    pacing = msgspec.json.decode(files[PACING_FILE])
    pacing["start"]["multipliers"] = [0.0, 0.5, 4.0]
    with pytest.raises(ReleaseError, match=r"policy/pacing\.json can't be read: .*not ascending"):
        save_release(UPath(tmp_path), files | {PACING_FILE: msgspec.json.encode(pacing)})


@pytest.mark.parametrize("learned", [True, False])
def test_file_that_belongs_to_no_policy(
    files: dict[str, bytes], learned_files: dict[str, bytes], tmp_path: Path, *, learned: bool
) -> None:
    stray = "policy/critic.safetensors" if learned else "policy/actor.safetensors"
    parts = (learned_files if learned else files) | {stray: b"{}"}
    with pytest.raises(ReleaseError, match=f"{stray}: no file of the policy"):
        save_release(UPath(tmp_path), parts)


def test_stray_files_among_the_others(several_files: dict[str, bytes], tmp_path: Path) -> None:
    for stray in ("policy/others/ppo/critic.json", "policy/others/ppo/more/policy.json"):
        with pytest.raises(ReleaseError, match=f"{stray}: no file of the policy"):
            save_release(UPath(tmp_path), several_files | {stray: b"{}"})
    with pytest.raises(ReleaseError, match=r"policy/others/loose\.json"):
        save_release(UPath(tmp_path), several_files | {"policy/others/loose.json": b"{}"})


def test_unknown_policy(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"policy/policy\.json can't be read: .*'oracle'"):
        save_release(UPath(tmp_path), files | {POLICY_FILE: b'{"type": "oracle"}'})


def test_policy_trained_on_other_offers(learned_files: dict[str, bytes], tmp_path: Path) -> None:
    offers = msgspec.json.encode(ActionSpace(offers_pct=(0, 5, 10, 25)))
    with pytest.raises(ReleaseError, match=r"policy ppo was trained on the offers \(0, 5, 10, 20"):
        save_release(UPath(tmp_path), learned_files | {ACTIONS_FILE: offers})


def test_policy_with_features_nobody_computes(
    learned_files: dict[str, bytes], tmp_path: Path
) -> None:
    spec = learned_files[POLICY_FILE].replace(b'"recency"', b'"horoscope"')
    with pytest.raises(ReleaseError, match=r"policy/policy\.json: unknown features .*horoscope"):
        save_release(UPath(tmp_path), learned_files | {POLICY_FILE: spec})


def test_every_policy_of_a_release_is_chosen_by_name(several: Release) -> None:
    assert list(several.policies) == ["one_step", "planner", "ppo", "propensity_threshold"]
    assert (several.default, several.baseline) == ("one_step", "propensity_threshold")
    for name, policy in several.policies.items():
        assert several.engine(policy=name).policy is policy
    assert several.engine().policy == OneStepPolicy()
    with pytest.raises(
        UnknownPolicyError, match=r"no policy 'oracle' in .* one_step, planner, ppo"
    ):
        several.engine(policy="oracle")


def test_two_policies_of_one_name(
    risk: ScoringModel, acceptance: AcceptanceModel, tmp_path: Path
) -> None:
    twice = release_files(risk, acceptance, others={"one_step": OneStepPolicy()})
    with pytest.raises(ReleaseError, match=r"policy/others/one_step: policy/policy\.json has"):
        save_release(UPath(tmp_path), twice)
    other = PropensityPolicy(threshold=0.9, offer_pct=20)
    unlike = release_files(risk, acceptance, others={other.name: other})
    with pytest.raises(ReleaseError, match=r"baseline\.json: another policy is named 'propensity"):
        save_release(UPath(tmp_path), unlike)
    same = release_files(risk, acceptance, policy=PropensityPolicy(threshold=0.5, offer_pct=10))
    alone = load_release(save_release(UPath(tmp_path), same))
    assert list(alone.policies) == [alone.default] == [alone.baseline]


def test_nobody_has_two_discounts_by_the_rules(
    risk: ScoringModel, acceptance: AcceptanceModel, tmp_path: Path
) -> None:
    short = msgspec.structs.replace(RULES, accepted_rest_days=89)
    with pytest.raises(ReleaseError, match="accepted_rest_days: 89 is shorter than the discount"):
        save_release(UPath(tmp_path), release_files(risk, acceptance, rules=short))


def test_pacing_is_read(release: Release) -> None:
    assert isinstance(release.pacing, PacingRule)
    assert release.pacing.start.multipliers == (4.0, 0.5, 0.0)


def test_parts_that_do_not_fit(
    risk: ScoringModel, acceptance: AcceptanceModel, tmp_path: Path
) -> None:
    short = msgspec.structs.replace(assumptions(), save_effect=assumptions().save_effect[:3])
    parts = release_files(risk, acceptance) | {ASSUMPTIONS_FILE: msgspec.json.encode(short)}
    with pytest.raises(ReleaseError, match="3 save effects"):
        save_release(UPath(tmp_path), parts)


def test_unknown_key_in_a_part(files: dict[str, bytes], tmp_path: Path) -> None:
    rules = msgspec.json.decode(files[RULES_FILE]) | {"quiet": True}
    with pytest.raises(ReleaseError, match=r"experiment/rules\.json .* unknown field `quiet`"):
        save_release(UPath(tmp_path), files | {RULES_FILE: msgspec.json.encode(rules)})


def test_entries_hold_size_and_hash() -> None:
    entry = file_entries({"a": b"abc"})["a"]
    assert entry.size == 3
    assert entry.sha256.startswith("ba7816bf")
