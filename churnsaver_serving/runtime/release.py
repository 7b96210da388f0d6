"""Releases, written and loaded: immutable directories, named by their manifest's hash.

Works on any fsspec path (`/var/releases`, `gs://bucket/releases`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from upath import UPath

from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.actor import WEIGHTS_FILE, LearnedPolicyError, LearnedSpec
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.runtime.decide import DecisionEngine
from churnsaver_serving.runtime.golden import Golden
from churnsaver_serving.runtime.holidays import HOLIDAYS_FILE, Holidays
from churnsaver_serving.runtime.learned import PACING_FILE, LearnedPolicy
from churnsaver_serving.runtime.manifest import (
    MANIFEST_FILE,
    Manifest,
    encode_manifest,
    release_id,
)
from churnsaver_serving.runtime.messages.composer import Composer
from churnsaver_serving.runtime.messages.files import (
    MessageFilesError,
    ReleaseMessages,
    read_messages,
)
from churnsaver_serving.runtime.messages.quiet_hours import Zones
from churnsaver_serving.runtime.messages.sending import SENDING_FILE
from churnsaver_serving.runtime.policy import PolicyFile
from churnsaver_serving.runtime.rules import Rules
from churnsaver_serving.runtime.scores import ENCODER_FILE, ModelError, ScoringModel
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verified import ReleaseError, check_paths, decode, read_verified

CHURN_RISK = "churn_risk"
OFFER_ACCEPTANCE = "offer_acceptance"
POLICY_FOLDER = "policy/"
POLICY_FILE = f"{POLICY_FOLDER}policy.json"
BASELINE_FILE = f"{POLICY_FOLDER}baseline.json"
ACTIONS_FILE = "experiment/actions.json"
ASSUMPTIONS_FILE = "experiment/assumptions.json"
RULES_FILE = "experiment/rules.json"
GOLDEN_FILE = "golden.json"

# Of a learned policy, beside its `POLICY_FILE`.
_LEARNED_FILES = frozenset({f"{POLICY_FOLDER}{WEIGHTS_FILE}", f"{POLICY_FOLDER}{PACING_FILE}"})

T = TypeVar("T")

ServedPolicy = PolicyFile | LearnedPolicy


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release, loaded.

    Attributes:
        id: SHA-256 of the manifest.
        path: The release's directory.
        manifest: The manifest as read.
        risk: Model of churn within a month.
        acceptance: Model of the acceptance of offers.
        policy: The policy to serve.
        baseline: The policy to fall back to.
        space: The joint actions.
        assumptions: The declared effects.
        rules: The constraints.
        holidays: The days on which nobody is contacted.
        messages: All that is said to customers.
    """

    id: str
    path: UPath
    manifest: Manifest
    risk: ScoringModel
    acceptance: AcceptanceModel
    policy: ServedPolicy
    baseline: PolicyFile
    space: ActionSpace
    assumptions: Assumptions
    rules: Rules
    holidays: Holidays
    messages: ReleaseMessages

    def engine(self, *, baseline: bool = False, rules: Rules | None = None) -> DecisionEngine:
        """Return the release's decision path.

        Args:
            baseline: True to decide by the baseline policy.
            rules: Rules in place of the release's own.
        """
        return DecisionEngine(
            risk=self.risk,
            acceptance=self.acceptance,
            policy=self.baseline if baseline else self.policy,
            space=self.space,
            world=self.assumptions.nominal(),
            rules=rules or self.rules,
        )

    def composer(self) -> Composer:
        """Return the release's way from a decision to a message."""
        return self.messages.composer

    def model_hash(self, model: str) -> str:
        """Return the hash over a model's files' hashes (`CHURN_RISK` or `OFFER_ACCEPTANCE`)."""
        entries = self.manifest.files
        joined = "".join(
            entries[path].sha256 for path in sorted(entries) if path.startswith(f"{model}/")
        )
        return hashlib.sha256(joined.encode()).hexdigest()


def write_release(root: UPath, files: dict[str, bytes], manifest: Manifest) -> UPath:
    """Write a release under `root` and verify it by loading it back.

    The manifest is written last: a directory without one is no release, so a write that was cut
    short is never taken for one. An existing release of the same id is verified and kept.

    Returns:
        The release's directory, `root / id`.

    Raises:
        ReleaseError: The manifest doesn't describe the files, or what was written doesn't load.
    """
    if set(manifest.files) != set(files):
        raise ReleaseError(
            f"manifest names {sorted(manifest.files)}, the files are {sorted(files)}"
        )
    check_paths(manifest)
    head = encode_manifest(manifest)
    target = root / release_id(head)
    if not (target / MANIFEST_FILE).exists():
        for path, data in files.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(data)
        (target / MANIFEST_FILE).write_bytes(head)
    load_release(target)
    return target


def load_release(directory: UPath) -> Release:
    """Verify a release, load its parts and ask about its golden customers again.

    Raises:
        ReleaseError: Anything is missing, changed, unreadable, or scores or chooses otherwise than
            recorded.
    """
    verified = read_verified(directory)
    files = verified.files
    risk = _model(files, CHURN_RISK)
    try:
        acceptance = AcceptanceModel(_model(files, OFFER_ACCEPTANCE))
    except ModelError as error:
        raise ReleaseError(f"{OFFER_ACCEPTANCE}/{error}") from error
    policy = served_policy(files)
    space = _part(files, ACTIONS_FILE, ActionSpace)
    assumptions = _part(files, ASSUMPTIONS_FILE, Assumptions)
    _check_parts(risk, policy, space, assumptions)
    release = Release(
        id=verified.id,
        path=directory,
        manifest=verified.manifest,
        risk=risk,
        acceptance=acceptance,
        policy=policy,
        baseline=_part(files, BASELINE_FILE, PolicyFile),  # type: ignore[arg-type]
        space=space,
        assumptions=assumptions,
        rules=_part(files, RULES_FILE, Rules),
        holidays=_part(files, HOLIDAYS_FILE, Holidays),
        messages=_messages(files, space),
    )
    _check_places(release.holidays, release.messages.sending.zones)
    if wrong := _part(files, GOLDEN_FILE, Golden).mismatch(release.engine()):
        raise ReleaseError(f"{GOLDEN_FILE}: {wrong}")
    return release


def served_policy(files: Mapping[str, bytes]) -> ServedPolicy:
    """Read the policy that a release's files hold, by the tag in `POLICY_FILE`.

    Raises:
        ReleaseError: A file of the policy is missing, unreadable, or belongs to no policy.
    """
    policy: ServedPolicy
    found = _part(files, POLICY_FILE, PolicyFile | LearnedSpec)  # type: ignore[arg-type]
    known = {POLICY_FILE, BASELINE_FILE}
    if isinstance(found, LearnedSpec):
        known |= _LEARNED_FILES
        try:
            policy = LearnedPolicy.from_files(_within(files, POLICY_FOLDER))
        except LearnedPolicyError as error:
            raise ReleaseError(f"{POLICY_FOLDER}{error}") from error
    else:
        policy = found
    folder = {path for path in files if path.startswith(POLICY_FOLDER)}
    if unknown := sorted(folder - known):
        raise ReleaseError(
            f"{', '.join(unknown)}: no file of the policy {policy.name}; known are {sorted(known)}"
        )
    return policy


def _check_parts(
    risk: ScoringModel, policy: ServedPolicy, space: ActionSpace, assumptions: Assumptions
) -> None:
    """Refuse parts that are valid each for itself and don't fit each other."""
    fields = {field.name for field in risk.encoder.spec.fields}
    if unknown := fields - set(Profile.__struct_fields__):
        raise ReleaseError(f"{CHURN_RISK}/{ENCODER_FILE}: no fields of a profile: {unknown}")
    effects, offers = len(assumptions.save_effect), len(space.offers_pct)
    if effects != offers:
        raise ReleaseError(
            f"{ASSUMPTIONS_FILE} has {effects} save effects, {ACTIONS_FILE} has {offers} offers"
        )
    if isinstance(policy, LearnedPolicy) and policy.actor.spec.offers_pct != space.offers_pct:
        raise ReleaseError(
            f"{POLICY_FILE} was trained on the offers {policy.actor.spec.offers_pct}, "
            f"{ACTIONS_FILE} has {space.offers_pct}"
        )


def _check_places(holidays: Holidays, zones: Zones) -> None:
    """Refuse holidays of which a state or a zone that messages go to is forgotten."""
    states = set(zones.states) - set(holidays.states)
    if missing := sorted(states | (set(zones.every) - set(holidays.zones))):
        raise ReleaseError(
            f"{HOLIDAYS_FILE}: no holidays for {', '.join(missing[:3])}, which {SENDING_FILE} has"
        )


def _messages(files: Mapping[str, bytes], space: ActionSpace) -> ReleaseMessages:
    try:
        return read_messages(files, space.offers_pct, Shield.from_bytes)
    except MessageFilesError as error:
        raise ReleaseError(str(error)) from error


def _model(files: dict[str, bytes], name: str) -> ScoringModel:
    prefix = f"{name}/"
    try:
        return ScoringModel.from_files(_within(files, prefix))
    except ModelError as error:
        raise ReleaseError(f"{prefix}{error}") from error


def _within(files: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """Return the files below a folder, by their paths in it."""
    return {
        path.removeprefix(prefix): data for path, data in files.items() if path.startswith(prefix)
    }


def _part(files: Mapping[str, bytes], path: str, kind: type[T]) -> T:
    if path not in files:
        raise ReleaseError(f"{path} is missing: the manifest doesn't name it")
    return decode(files[path], kind, path)
