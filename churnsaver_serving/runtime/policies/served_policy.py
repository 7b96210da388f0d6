"""The policies of a release: the one to serve, the one to fall back to, and further ones."""

from collections.abc import Mapping
from dataclasses import dataclass

from churnsaver_serving.runtime.policies.actor import (
    SPEC_FILE,
    WEIGHTS_FILE,
    LearnedPolicyError,
    LearnedSpec,
)
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PACING_FILE as PACING_NAME
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.policies.policy import PolicyFile
from churnsaver_serving.runtime.verified import ReleaseError, decode, part, within

POLICY_FOLDER = "policy/"
OTHERS_FOLDER = f"{POLICY_FOLDER}others/"
POLICY_FILE = f"{POLICY_FOLDER}{SPEC_FILE}"
BASELINE_FILE = f"{POLICY_FOLDER}baseline.json"
PACING_FILE = f"{POLICY_FOLDER}{PACING_NAME}"

ServedPolicy = PolicyFile | StationaryPlanner | LearnedPolicy

_OneFile = PolicyFile | StationaryPlanner


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of a release's files.

    Attributes:
        by_name: Every policy, by the name that answers say: the one to serve first.
        default: Name of the policy to serve.
        baseline: Name of the policy to fall back to.
    """

    by_name: dict[str, ServedPolicy]
    default: str
    baseline: str


def read_policies(files: Mapping[str, bytes]) -> Policies:
    """Read the policies that a release's files hold, each by the tag in its file.

    The one to serve lies in `POLICY_FOLDER`; each further one in a folder of `OTHERS_FOLDER` that
    bears its name.

    Raises:
        ReleaseError: A file of a policy is missing, unreadable or belongs to none, or two policies
            have one name.
    """
    served = within(files, POLICY_FOLDER)
    folders = sorted({name.split("/")[1] for name in served if name.startswith("others/")})
    own = {
        name: data
        for name, data in served.items()
        if f"{POLICY_FOLDER}{name}" not in {BASELINE_FILE, PACING_FILE}
        and not name.startswith("others/")
    }
    default = _policy(own, POLICY_FOLDER)
    baseline: PolicyFile = part(files, BASELINE_FILE, PolicyFile)  # type: ignore[arg-type]
    by_name: dict[str, ServedPolicy] = {default.name: default}
    for name in folders:
        if name in by_name:
            raise ReleaseError(f"{OTHERS_FOLDER}{name}: {POLICY_FILE} has that name")
        folder = f"{OTHERS_FOLDER}{name}/"
        by_name[name] = _policy(within(files, folder), folder)
    if by_name.setdefault(baseline.name, baseline) != baseline:
        raise ReleaseError(f"{BASELINE_FILE}: another policy is named {baseline.name!r} too")
    return Policies(by_name, default.name, baseline.name)


def _policy(files: Mapping[str, bytes], folder: str) -> ServedPolicy:
    """Read one policy from the files of its folder, which must hold nothing else."""
    policy: ServedPolicy
    if SPEC_FILE not in files:
        raise ReleaseError(f"{folder}{SPEC_FILE} is missing: the manifest doesn't name it")
    found = decode(files[SPEC_FILE], _OneFile | LearnedSpec, f"{folder}{SPEC_FILE}")  # type: ignore[arg-type]
    known = {SPEC_FILE}
    if isinstance(found, LearnedSpec):
        known.add(WEIGHTS_FILE)
        try:
            policy = LearnedPolicy.from_files(files)
        except LearnedPolicyError as error:
            raise ReleaseError(f"{folder}{error}") from error
    else:
        policy = found
    if unknown := sorted(set(files) - known):
        raise ReleaseError(
            f"{', '.join(folder + name for name in unknown)}: no file of the policy "
            f"{policy.name}; known are {sorted(known)}"
        )
    return policy
