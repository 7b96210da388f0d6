"""`POST /outcomes`."""

from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, SkipValidation

from churnsaver_serving.live.commands import Observe
from churnsaver_serving.live.service import Service
from churnsaver_serving.problems import problem_responses
from churnsaver_serving.routes.body import JsonBody
from churnsaver_serving.schemas import OutcomeRecord, OutcomeRequest

EXAMPLE = {
    "decision_id": "019a9d3c-2f4e-7b1a-9c3d-5e6f7a8b9c0d",
    "kind": "accepted",
    "observed_at": "2026-11-20T16:30:00Z",
}


@post(
    "/outcomes",
    status_code=200,
    dto=JsonBody[OutcomeRequest],
    return_dto=None,
    operation_id="recordOutcome",
    summary="Record what came of a decision",
    description=(
        "Outcomes never change: repeating one answers with the record as it stands, contradicting "
        "one (accepted and refused, retained and churned) is a conflict, and so is accepting a "
        "second offer while the first discount runs. A refusal frees the money reserved for the "
        "discount. Leaving, opting out or accepting another offer cancels a contact whose day has "
        "not come: it is not to be sent."
    ),
    response_description="The outcome as recorded.",
    responses=problem_responses(400, 404, 409, 413, 415, 422, 500, 503),
    tags=["outcomes"],
)
async def observe(
    data: Annotated[OutcomeRequest, Body(examples=[Example(value=EXAMPLE)])],
    service: NamedDependency[SkipValidation[Service]],
) -> OutcomeRecord:
    """Record an outcome."""
    return await service.observe(Observe(data))
