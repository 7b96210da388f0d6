"""Requests and answers of the API."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.customer import Channel, Customer, Profile
from churnsaver_serving.runtime.engine.decision import Cause
from churnsaver_serving.runtime.limits.constraints import Constraint
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.messages.message import Message, MessageRequest
from churnsaver_serving.runtime.scoring.reasons import RiskDriver
from churnsaver_serving.runtime.world.belief import SIGNALS

OutcomeKind = Literal["accepted", "refused", "retained", "churned", "opted_out"]
ContactState = Literal["open", "accepted", "refused", "expired", "cancelled"]

# No control characters: a lookahead over the whole string, as `$` would let a last newline pass.
CustomerId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^(?![\s\S]*[\u0000-\u001F\u007F])",
        description="Your key for the customer.",
        examples=["7590-VHVEG"],
    ),
]
DecisionId = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        max_length=36,
        description="UUID, version 7: ids sort by time.",
        examples=["019a9d3c-2f4e-7b1a-9c3d-5e6f7a8b9c0d"],
    ),
]
Probability = Annotated[float, Meta(ge=0, le=1)]


class RetainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer to decide on."""

    customer_id: CustomerId
    profile: Profile
    channel: Annotated[Channel, Meta(description="Channel a contact would use.")] = "cellular"
    message: Annotated[
        MessageRequest | None,
        Meta(description="How the message is wanted: warm, by email and unnamed where left out."),
    ] = None


class Action(msgspec.Struct, frozen=True):
    """What to do."""

    contact: Annotated[bool, Meta(description="Whether to contact the customer at all.")]
    offer_pct: Annotated[
        int, Meta(ge=0, le=100, description="Discount on the monthly charge, percent.")
    ]
    delay_days: Annotated[
        int, Meta(ge=0, description="Days until the contact, from the customer's own today.")
    ]
    contact_on: Annotated[
        date | None, Meta(description="Day of the contact, by the customer's calendar.")
    ]


class Scores(msgspec.Struct, frozen=True):
    """Calibrated probabilities."""

    p_churn: Annotated[Probability, Meta(description="To leave within a month.")]
    p_accept: Annotated[
        dict[str, Probability],
        Meta(
            description="To accept each offer (percent) on the day judged: the first that rules "
            "and capacity leave for a contact; today where they leave none.",
            examples=[{"0": 0.08, "5": 0.13, "10": 0.19, "20": 0.39}],
        ),
    ]


class Reasons(msgspec.Struct, frozen=True):
    """Why."""

    risk: Annotated[
        tuple[RiskDriver, ...],
        Meta(description="Strongest drivers of p_churn, SHAP values in log-odds."),
    ]
    cause: Annotated[
        Cause, Meta(description="Whether the policy's own choice was drawn or exploration's.")
    ]
    constraints: Annotated[
        tuple[Constraint, ...],
        Meta(
            description="Every rule that kept the policy from what it would do for a customer not "
            "contacted lately, today, with money and capacity ample: rules that rule today out "
            "(`opt_out`, `churned`, `open_contact`: an earlier contact is not yet answered, "
            "`active_offer`, `contact_days`: weekends, holidays, hours over, `cooldown`, "
            "`fatigue`), `capacity`: the first day left was full, `budget`: the month's money does "
            "not cover the offer. Empty where no rule made a difference."
        ),
    ] = ()
    only_no_contact: Annotated[
        bool | None,
        Meta(
            description="Whether rules, capacity and money left nothing but no contact. Null in "
            "answers from before this was said."
        ),
    ] = None


LogRatio = Annotated[
    float,
    Meta(
        description="Log of observed over expected, this month and the month before; near 0 for "
        "few counts."
    ),
]


class Belief(msgspec.Struct, frozen=True):
    """What outcomes say about how far the models are off, by signal (in the order of `SIGNALS`)."""

    acceptance: LogRatio = 0.0
    churn_after_refusal: LogRatio = 0.0
    churn_untouched: LogRatio = 0.0


class Pacing(msgspec.Struct, frozen=True):
    """What the policy was told of how the month goes."""

    multiplier: Annotated[
        float,
        Meta(
            ge=0,
            description="What a dollar of budget is worth today in dollars of value, beyond "
            "itself: what a contact costs is weighed by 1 plus this.",
        ),
    ] = 0.0
    belief: Belief = Belief()
    capacity_price_usd: Annotated[
        float,
        Meta(
            ge=0,
            description="What a place in a day's capacity is worth today: a contact must bring as "
            "much beyond its cost. 0 where places are left over.",
        ),
    ] = 0.0


class ReleaseRef(msgspec.Struct, frozen=True):
    """What decided: sha256 of the release's manifest and of each model's files."""

    id: str
    churn_risk: str
    offer_acceptance: str
    messages: Annotated[
        str | None,
        Meta(description="Of the model that wrote the message bank; null without a bank."),
    ] = None


class RetainAnswer(msgspec.Struct, frozen=True):
    """A decision. It is in the ledger by the time it is answered."""

    decision_id: DecisionId
    customer_id: CustomerId
    decided_at: datetime
    decision: Action
    scores: Scores
    reasons: Reasons
    policy: Annotated[str, Meta(description="Name of the policy that decided.")]
    propensity: Annotated[
        float, Meta(gt=0, le=1, description="Probability with which this action was drawn.")
    ]
    release: ReleaseRef
    data: Annotated[
        DataLabel,
        Meta(description="`sample` where the models were trained on generated data."),
    ]
    # Answers stored before there was pacing have none.
    pacing: Pacing = Pacing()
    message: Annotated[
        Message | None,
        Meta(
            description="What to send; null without contact. Where its text is null no text passed "
            "the shield, and nothing may be sent."
        ),
    ] = None


def decode_answer(stored: str | bytes) -> RetainAnswer:
    """Decode a stored answer, also one from when `reasons` named a single constraint."""
    answer = msgspec.json.decode(stored, type=RetainAnswer)
    if answer.reasons.only_no_contact is not None:
        return answer
    earlier = msgspec.json.decode(stored, type=_EarlierAnswer).reasons.constraint
    reasons = msgspec.structs.replace(
        answer.reasons, constraints=() if earlier is None else (earlier,)
    )
    return msgspec.structs.replace(answer, reasons=reasons)


class _EarlierReasons(msgspec.Struct):
    constraint: Constraint | None = None


class _EarlierAnswer(msgspec.Struct):
    reasons: _EarlierReasons


class OutcomeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a decision."""

    decision_id: DecisionId
    kind: Annotated[
        OutcomeKind,
        Meta(
            description="`accepted` and `refused` answer an offer, and the share accepted drives "
            "pacing, so report both; `churned` and `retained` say whether the customer left, at "
            "once or at the end of the month, and the later of them counts: whoever has churned is "
            "not contacted until a later decision's `retained`; after `opted_out` the customer is "
            "never contacted again."
        ),
    ]
    observed_at: (
        Annotated[datetime, Meta(tz=True, description="With time zone; now where left out.")] | None
    ) = None


class OutcomeRecord(msgspec.Struct, frozen=True):
    """A recorded outcome. Outcomes never change."""

    decision_id: DecisionId
    kind: OutcomeKind
    observed_at: datetime
    recorded_at: datetime


class MessageLog(msgspec.Struct, frozen=True):
    """What a message was made and checked with: sha256 of the files in the release."""

    shield: str
    templates: str


class DecisionLog(msgspec.Struct, frozen=True):
    """What off-policy evaluation and audit need of a decision."""

    action: Annotated[
        int,
        Meta(description="Index of the joint action: 0 for no contact, then by delay and offer."),
    ]
    eligible: Annotated[
        tuple[int, ...], Meta(description="Actions left on the day judged, by index.")
    ]
    probabilities: Annotated[
        tuple[float, ...], Meta(description="Of the eligible actions, in that order.")
    ]
    uniform: Annotated[float, Meta(description="Random number that the action was drawn with.")]
    context: Annotated[tuple[float, ...], Meta(description="Encoded features of the risk model.")]
    reserve_usd: Annotated[
        float, Meta(description="The most that this decision can cost: contact and discount.")
    ]
    budget_remaining_usd: Annotated[
        float,
        Meta(description="Left of the budget of the judged day's month before this decision."),
    ]
    multiplier: Annotated[float, Meta(description="As the policy was given it.")]
    capacity_price_usd: Annotated[float, Meta(description="As the policy was given it.")]
    belief: Annotated[
        tuple[float, ...],
        Meta(description=f"As the policy was given it, in the order {', '.join(SIGNALS)}."),
    ]
    message: Annotated[
        MessageLog | None,
        Meta(description="Null without contact; the message itself is in the answer."),
    ] = None


class DecisionRecord(msgspec.Struct, frozen=True):
    """A decision as the ledger keeps it."""

    answer: RetainAnswer
    customer: Annotated[Customer, Meta(description="As the models and rules saw the customer.")]
    log: DecisionLog
    contact_state: Annotated[
        ContactState | None,
        Meta(
            description="What has become of the contact: `open` until it is answered, given up "
            "(`expired`: no answer in time) or `cancelled` before its day. Null without contact."
        ),
    ]
    outcomes: tuple[OutcomeRecord, ...]


class Count(msgspec.Struct, frozen=True):
    """What happened this month and the month before, beside what the models had expected."""

    observed: float
    expected: float


class DayPacing(msgspec.Struct, frozen=True):
    """A day's prices and what they were set from; they stay as they are while the budget does."""

    day: date
    set_at: datetime
    release: Annotated[str, Meta(description="Id of the release that it was set for.")]
    policy: str
    multiplier: Annotated[
        float,
        Meta(ge=0, description="What a dollar of budget is worth, beyond itself. 0: spend freely."),
    ]
    kept: Annotated[
        float,
        Meta(
            ge=0,
            description="The multiplier that the next day's moves on from; the one told to the "
            "policy is corrected for what of the month's money is still unspent.",
        ),
    ]
    capacity_price_usd: Annotated[
        float,
        Meta(ge=0, description="What a place in a day's capacity is worth. 0: places are left."),
    ]
    asked_every_days: Annotated[
        float,
        Meta(
            ge=1,
            description="Days between two questions about the same customer, on average, as the "
            "last four weeks show: asked about seldom, the same price spends less.",
        ),
    ]
    belief: Belief
    budget_usd: Annotated[float, Meta(description="The month's budget that it was set for.")]
    expected_usd: Annotated[
        float,
        Meta(description="Spent and expected to be spent of it on open contacts at that time."),
    ]
    booked_usd: Annotated[
        float,
        Meta(description="Expected cost of the contacts decided on since the prices before."),
    ]
    booked_contacts: Annotated[int, Meta(description="Number of those contacts.")]
    waiting_contacts: Annotated[
        int, Meta(description="Contacts that were booked for later days at that time.")
    ]
    counts: Annotated[dict[str, Count], Meta(description="Behind the belief, by signal.")]


class PacingState(msgspec.Struct, frozen=True):
    """How the policy that decides is paced."""

    policy: str
    today: Annotated[
        DayPacing | None,
        Meta(description="Today's (UTC); null before the day's first decision."),
    ]


class Health(msgspec.Struct, frozen=True):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """The server can decide."""

    status: Literal["ready"]
    release: Annotated[str, Meta(description="Id of the release served.")]
    data: DataLabel
    policy: Annotated[str, Meta(description="Name of the policy that decides.")]
    policies: Annotated[
        tuple[str, ...], Meta(description="Names of all policies that the release has.")
    ]
    ledger_revision: str
