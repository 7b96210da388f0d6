"""`GET /pacing`."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from churnsaver_serving.live.service import Service
from churnsaver_serving.problems import problem_responses
from churnsaver_serving.schemas import PacingState


@get(
    "/pacing",
    return_dto=None,
    operation_id="readPacing",
    summary="Today's multiplier, and what it was set from",
    description=(
        "Every policy is told each day what a dollar of the month's budget is worth: a number that "
        "moves by what was booked against what was due, corrected for what of the month's money is "
        "still unspent. The day's first decision sets it; it holds until midnight UTC or another "
        "budget. Reading it sets nothing."
    ),
    response_description="The policy that decides and, once set, the day's multiplier.",
    responses=problem_responses(500, 503),
    tags=["decisions"],
)
async def pacing(service: NamedDependency[SkipValidation[Service]]) -> PacingState:
    """Read the day's pacing."""
    return await service.pacing()
