"""`POST /retain` and `GET /decisions/{id}`."""

from importlib import resources
from typing import Annotated, cast
from uuid import UUID

import msgspec
from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, HeaderParameter, PathParameter, SkipValidation

from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.service import Service
from churnsaver_serving.problems import problem_responses
from churnsaver_serving.routes.body import JsonBody
from churnsaver_serving.schemas import DecisionRecord, RetainAnswer, RetainRequest

EXAMPLE = msgspec.json.decode(
    (resources.files("churnsaver_serving.examples") / "at_risk.json").read_bytes()
)


@post(
    "/retain",
    status_code=200,
    dto=JsonBody[RetainRequest],
    return_dto=None,
    operation_id="retain",
    summary="Decide whether to contact a customer, with which offer and when; write the message",
    description=(
        "Scores the customer, finds the first day within a week that the rules leave (opt-out, "
        "churned, an earlier contact unanswered, active offer, working days, holidays and hours "
        "where the customer is, cooldown, fatigue cap, daily capacity), decides for that day "
        "within the budget of its month, and answers once the decision is on disk. `reasons` names "
        "every rule that made a difference. Where the customer is to be contacted the answer has "
        "the message: it has passed the safety shield, says where it is from, and is stored as "
        "answered. With an `Idempotency-Key` a repeated request gets the stored answer."
    ),
    response_description="The decision, which is in the ledger.",
    responses=problem_responses(400, 409, 413, 415, 422, 500, 503),
    tags=["decisions"],
)
async def retain(
    data: Annotated[RetainRequest, Body(examples=[Example(value=EXAMPLE)])],
    service: NamedDependency[SkipValidation[Service]],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            min_length=1,
            max_length=128,
            pattern=r"^[!-~]+$",
            description="Repeat a request safely: same key and body, same answer.",
        ),
    ] = None,
) -> Response[RetainAnswer]:
    """Decide on a customer."""
    # The answer was encoded once, for the ledger and the wire alike.
    answer = await service.retain(Retain(data, idempotency_key))
    return Response(cast("RetainAnswer", answer), media_type=MediaType.JSON)


@get(
    "/decisions/{decision_id:uuid}",
    return_dto=None,
    operation_id="readDecision",
    summary="A recorded decision with its outcomes",
    response_description="The decision, with what is needed to evaluate and audit it.",
    responses=problem_responses(400, 404, 500, 503),
    tags=["decisions"],
)
async def decision(
    decision_id: Annotated[UUID, PathParameter(description="As answered by `/retain`.")],
    service: NamedDependency[SkipValidation[Service]],
) -> DecisionRecord:
    """Read a decision back."""
    return await service.read(str(decision_id))
