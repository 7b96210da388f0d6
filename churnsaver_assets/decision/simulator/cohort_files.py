"""Cohorts and acceptance tables as files: safetensors for numbers, JSON for names."""

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from churnsaver_assets.decision.simulator.cohort import Cohort

NUMBERS_FILE = "numbers.safetensors"
NAMES_FILE = "names.json"

Split = str


class CohortFileError(ValueError):
    """Files that are no cohort: names the file and what is wrong."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names and splits of the customers.

    Attributes:
        customer_id: Customer ids, in the order of the numbers' rows.
        split: Split of each, "train" or "holdout": policies are trained on the one, compared on the
            other.
    """

    customer_id: tuple[str, ...]
    split: tuple[Split, ...]


def pack(numbers: Mapping[str, npt.NDArray[np.generic]], names: Names) -> dict[str, bytes]:
    """Pack arrays with one row for each customer into files."""
    arrays = {name: np.ascontiguousarray(array) for name, array in numbers.items()}
    return {NUMBERS_FILE: save(arrays), NAMES_FILE: msgspec.json.encode(names)}


def unpack(files: Mapping[str, bytes]) -> tuple[dict[str, npt.NDArray[np.generic]], Names]:
    """Read the arrays and names that `pack` wrote.

    Raises:
        CohortFileError: A file is missing or can't be read, or the rows don't match the names.
    """
    try:
        numbers = load(files[NUMBERS_FILE])
        names = msgspec.json.decode(files[NAMES_FILE], type=Names)
    except KeyError as error:
        raise CohortFileError(f"{error.args[0]} is missing") from error
    except (SafetensorError, msgspec.MsgspecError) as error:
        raise CohortFileError(f"{NUMBERS_FILE} or {NAMES_FILE} can't be read: {error}") from error
    rows = {name: len(array) for name, array in numbers.items()}
    if set(rows.values()) != {len(names.customer_id)} or len(names.split) != len(names.customer_id):
        raise CohortFileError(
            f"{NUMBERS_FILE} has rows {rows}, {NAMES_FILE} {len(names.customer_id)} customers"
        )
    return numbers, names


def cohort_files(cohort: Cohort, split: tuple[Split, ...]) -> dict[str, bytes]:
    """Pack a cohort with the split of each customer."""
    return pack(
        {
            "risk": cohort.risk,
            "tenure_months": cohort.tenure_months,
            "monthly_charge_usd": cohort.monthly_charge_usd,
            "accept_logit": cohort.accept_logit,
        },
        Names(customer_id=tuple(cohort.customer_id.tolist()), split=split),
    )


def read_cohort(files: Mapping[str, bytes], split: Split) -> Cohort:
    """Read the customers of one split.

    Raises:
        CohortFileError: See `unpack`; or nobody is in that split.
    """
    numbers, names = unpack(files)
    at = np.flatnonzero(np.array(names.split) == split)
    if not len(at):
        raise CohortFileError(f"nobody is in the split {split!r}; there are {set(names.split)}")
    return Cohort(
        customer_id=np.array(names.customer_id, dtype=np.str_)[at],
        risk=numbers["risk"][at].astype(np.float64),
        tenure_months=numbers["tenure_months"][at].astype(np.int64),
        monthly_charge_usd=numbers["monthly_charge_usd"][at].astype(np.float64),
        accept_logit=numbers["accept_logit"][at].astype(np.float32),
    )
