"""Releases, written and loaded: immutable directories, named by their manifest's hash.

Works on any fsspec path (`/var/releases`, `gs://bucket/releases`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from upath import UPath

from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.runtime.engine.decide import DecisionEngine
from churnsaver_serving.runtime.engine.golden import Golden
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.holidays import HOLIDAYS_FILE, Holidays
from churnsaver_serving.runtime.limits.rules import Rules
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
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.policies.served_policy import (
    PACING_FILE,
    Policies,
    ServedPolicy,
    read_policies,
)
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ENCODER_FILE, ModelError, ScoringModel
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verified import (
    ReleaseError,
    check_paths,
    part,
    read_verified,
    within,
)
from churnsaver_serving.runtime.world.assumptions import Assumptions

CHURN_RISK = "churn_risk"
OFFER_ACCEPTANCE = "offer_acceptance"
ACTIONS_FILE = "experiment/actions.json"
ASSUMPTIONS_FILE = "experiment/assumptions.json"
RULES_FILE = "experiment/rules.json"
GOLDEN_FILE = "golden.json"


class UnknownPolicyError(ValueError):
    """A policy that the release doesn't have; says which it has."""


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release, loaded.

    Attributes:
        id: SHA-256 of the manifest.
        path: The release's directory.
        manifest: The manifest as read.
        risk: Model of churn within a month.
        acceptance: Model of the acceptance of offers.
        policies: Every policy that it can decide by, by the name that answers say.
        default: Name of the policy to serve.
        baseline: Name of the policy to fall back to.
        pacing: The numbers that pacing goes by, whichever policy decides.
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
    policies: dict[str, ServedPolicy]
    default: str
    baseline: str
    pacing: PacingRule
    space: ActionSpace
    assumptions: Assumptions
    rules: Rules
    holidays: Holidays
    messages: ReleaseMessages

    def engine(self, *, policy: str | None = None, rules: Rules | None = None) -> DecisionEngine:
        """Return the release's decision path.

        Args:
            policy: Name of the policy to decide by; by default the one to serve.
            rules: Rules in place of the release's own.

        Raises:
            UnknownPolicyError: The release has no policy of that name.
        """
        name = policy or self.default
        if name not in self.policies:
            raise UnknownPolicyError(
                f"no policy {name!r} in release {self.id}; it has {', '.join(self.policies)}"
            )
        return DecisionEngine(
            risk=self.risk,
            acceptance=self.acceptance,
            policy=self.policies[name],
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
    policies = read_policies(files)
    space = part(files, ACTIONS_FILE, ActionSpace)
    assumptions = part(files, ASSUMPTIONS_FILE, Assumptions)
    rules = part(files, RULES_FILE, Rules)
    _check_parts(risk, policies, space, assumptions, rules)
    release = Release(
        id=verified.id,
        path=directory,
        manifest=verified.manifest,
        risk=risk,
        acceptance=acceptance,
        policies=policies.by_name,
        default=policies.default,
        baseline=policies.baseline,
        pacing=part(files, PACING_FILE, PacingRule),
        space=space,
        assumptions=assumptions,
        rules=rules,
        holidays=part(files, HOLIDAYS_FILE, Holidays),
        messages=_messages(files, space),
    )
    _check_places(release.holidays, release.messages.sending.zones)
    if wrong := part(files, GOLDEN_FILE, Golden).mismatch(release.engine()):
        raise ReleaseError(f"{GOLDEN_FILE}: {wrong}")
    return release


def _check_parts(
    risk: ScoringModel,
    policies: Policies,
    space: ActionSpace,
    assumptions: Assumptions,
    rules: Rules,
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
    for name, policy in policies.by_name.items():
        if isinstance(policy, LearnedPolicy) and policy.actor.spec.offers_pct != space.offers_pct:
            raise ReleaseError(
                f"the policy {name} was trained on the offers {policy.actor.spec.offers_pct}, "
                f"{ACTIONS_FILE} has {space.offers_pct}"
            )
    world = assumptions.nominal()
    discount_days = world.discount_months * world.period_days
    if rules.accepted_rest_days < discount_days:
        raise ReleaseError(
            f"{RULES_FILE}: accepted_rest_days: {rules.accepted_rest_days} is shorter than the "
            f"discount of {discount_days:g} days in {ASSUMPTIONS_FILE}: there would be two at once"
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
        return ScoringModel.from_files(within(files, prefix))
    except ModelError as error:
        raise ReleaseError(f"{prefix}{error}") from error
