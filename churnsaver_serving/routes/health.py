"""`GET /healthz` and `GET /readyz`."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from churnsaver_serving.live.service import Service
from churnsaver_serving.problems import problem_responses
from churnsaver_serving.schemas import Health, Readiness


@get(
    "/healthz",
    operation_id="health",
    summary="Whether the process lives",
    response_description="It does.",
    tags=["health"],
)
async def healthz() -> Health:
    """Answer always, while the server can answer at all."""
    return Health()


@get(
    "/readyz",
    operation_id="readiness",
    summary="Whether the server can decide",
    description=(
        "The release is loaded and its files are as they were verified; it may be served (data "
        "label); the ledger is reachable and its tables are up to date."
    ),
    response_description="It can: what decides, and the ledger's revision.",
    responses=problem_responses(500, 503),
    tags=["health"],
)
async def readyz(
    service: NamedDependency[SkipValidation[Service]],
) -> Readiness:
    """Check release and ledger."""
    return await service.readiness()
