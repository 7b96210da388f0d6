"""The rules that kept a policy from what it would have done if nothing stood in its way."""

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.engine.choice import Choices
from churnsaver_serving.runtime.engine.scored import Scored
from churnsaver_serving.runtime.limits.account import Commitments
from churnsaver_serving.runtime.limits.constraints import NO_DAY, Constraint, first_day
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import Policy

_NO_OFFER = -1


def constraints_of(
    policy: Policy,
    scored: Scored,
    allowed: dict[Constraint, Bools],
    choices: Choices,
    observation: Observation,
    commitments: Commitments,
) -> list[tuple[Constraint, ...]]:
    """Name every rule that stood in the way of a contact that the policy would have made.

    Whoever has something ruled out is judged once more as if we had not contacted them lately:
    today, with money and room on the day. Where the policy wants no contact even then, no rule is
    to blame. Where it does, all of these are named: each rule that rules out today; `capacity`
    where the first day that the rules allow was full; `budget` where an offer that it wants, fresh
    or on the day judged, could not be paid for. Once the month's money is gone its price says
    nothing more, so that it is not counted then.

    Args:
        policy: The policy.
        scored: The n customers.
        allowed: For each rule the days that it allows, shape (n, D).
        choices: What was chosen.
        observation: The customers on the days judged.
        commitments: Money that contacts commit on these days.

    Returns:
        For each customer the rules, in the order of `allowed`, then capacity and budget.
    """
    own = np.logical_and.reduce(list(allowed.values()))
    full = choices.position != first_day(own)
    short = (choices.position != NO_DAY) & ~choices.affordable.all(axis=1)
    result: list[tuple[Constraint, ...]] = [()] * len(own)
    rows = np.flatnonzero(~own[:, 0] | full | short)
    if not len(rows):
        return result
    gone = (choices.remaining_cents < commitments.worst_cents.min(axis=1))[rows]
    affordable = choices.affordable[rows]
    fresh = _offer(policy.preferences(scored.fresh(rows, gone)))
    wanted = fresh != _NO_OFFER
    unpaid = _beyond(fresh, affordable)
    if (at := np.flatnonzero(short[rows])).size:
        on_its_day = _offer(policy.preferences(observation.rows(rows[at])))
        unpaid[at] |= _beyond(on_its_day, affordable[at])
    unpaid &= short[rows]
    named: dict[Constraint, Bools] = {
        rule: wanted & ~days[rows, 0] for rule, days in allowed.items()
    }
    named["capacity"] = wanted & full[rows]
    named["budget"] = unpaid | (wanted & gone)
    for index, row in enumerate(rows.tolist()):
        result[row] = tuple(rule for rule, binds in named.items() if binds[index])
    return result


def _offer(preferences: Floats) -> Ints:
    """Return the position of the offer preferred, or `_NO_OFFER`, shape (n,)."""
    best: Ints = preferences.argmax(axis=1)
    return best - 1


def _beyond(offer: Ints, affordable: Bools) -> Bools:
    """Return whether an offer is wanted that can't be paid for, shape (n,)."""
    paid: Bools = affordable[np.arange(len(offer)), np.maximum(offer, 0)]
    beyond: Bools = (offer != _NO_OFFER) & ~paid
    return beyond
