"""What a decision will most likely be, before it is made: what live text is to be written for.

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
from churnsaver_serving.live.history import contact_histories
from churnsaver_serving.live.limits import find_budget, period_of, read_contacts
from churnsaver_serving.live.pacing import read_day_pacing
from churnsaver_serving.live.records import stored_answers
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.decision import Pace


def foresee(
    connection: sa.Connection, decider: Decider, command: Retain, now: datetime
) -> MessageContext | None:
    """The context of the message that a request will most likely be answered with.

    Args:
        connection: in a transaction; nothing is written.
        decider: who will decide.
        command: the request.
        now: the time.

    Returns:
        None where there will be no message to write: no contact, or an answer is stored already.
    """
    if command.idempotency_key and stored_answers(connection, [command.idempotency_key]):
        return None
    request, today = command.request, now.date()
    window = decider.rules.fatigue_window_days
    history = contact_histories(connection, [request.customer_id], today, window)
    budget = find_budget(connection, period_of(now), decider.budget_cents)
    paced = read_day_pacing(connection, decider, today) if decider.pacing else None
    belief = paced.belief if paced else None
    [decision] = decider.decide(
        [
            Customer(
                request.customer_id,
                request.profile,
                request.channel,
                history[request.customer_id],
            )
        ],
        remaining_cents=budget.remaining_cents if budget else decider.budget_cents,
        contacts=read_contacts(connection, decider.contact_days(today)),
        today=today,
        # In the middle: the policy's own choice, not exploration's.
        uniforms=np.array([0.5]),
        pace=(
            Pace(
                paced.multiplier,
                (belief.acceptance, belief.churn_after_refusal, belief.churn_untouched),
            )
            if paced and belief
            else Pace()
        ),
    )
    return decider.message_context(request, decision)
