"""Foresight: the context of a message before its decision is made, for a text written meanwhile.

The offer is decided in the transaction that records it, and that must not wait for a language
model. After it there is no way back either, since what was answered is what is stored. So the text
is written first, for the decision that the ledger's state leads to now; the transaction uses it
where that is what is decided then, else the bank's message.
"""

from datetime import datetime

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.deciding import decide
from churnsaver_serving.live.pacing import read_pace
from churnsaver_serving.live.records import stored_answers
from churnsaver_serving.live.totals.accounts import Accounts, month_at
from churnsaver_serving.runtime.context import MessageContext


def foresee(
    connection: sa.Connection, decider: Decider, command: Retain, now: datetime
) -> MessageContext | None:
    """Return the context of the message that a request will most likely be answered with.

    Args:
        connection: A connection in a transaction; nothing is written.
        decider: The release that will decide.
        command: The request.
        now: The time.

    Returns:
        None where there will be no message to write: no contact, or an answer is stored already.
    """
    if command.idempotency_key and stored_answers(connection, [command.idempotency_key]):
        return None
    accounts = Accounts(connection, now, decider.budget_cents)
    [decision] = decide(
        connection,
        decider,
        [command.request],
        now=now,
        accounts=accounts.read(map(month_at, decider.possible_days(now))),
        # In the middle: the policy's own choice, not exploration's.
        uniforms=np.array([0.5]),
        pace=read_pace(connection, decider, now),
    ).decisions
    return decider.message_context(command.request, decision)
