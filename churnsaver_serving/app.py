"""The API: routes, problems and documentation around one `Service`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from churnsaver_serving.live.ledger import Clock, UniformSource
from churnsaver_serving.live.service import Service, utc_now
from churnsaver_serving.logs import json_logger
from churnsaver_serving.problems import problem_plugin
from churnsaver_serving.routes import decisions, docs, health, outcomes, pacing
from churnsaver_serving.routes.openapi import complete, openapi_config
from churnsaver_serving.runtime.messages.generation import Writer
from churnsaver_serving.settings import Settings, service_variables


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock = utc_now,
    uniforms: UniformSource | None = None,
    writer: Writer | None = None,
) -> Litestar:
    """Make the API as an ASGI application; a factory for uvicorn.

    The release is loaded when the application starts. Where that fails it starts all the same:
    `/readyz` says why, `/retain` answers 503.

    Args:
        settings: The server's settings; read from the environment where none are given.
        clock: The time, in UTC.
        uniforms: Source of n random numbers in [0, 1), which decisions are drawn with.
        writer: Writer of messages while a request waits, in place of the settings' model.

    Raises:
        SettingsError: The environment has settings that can't be used.
    """
    settings = settings or Settings.from_env(os.environ)
    service = Service(settings, clock=clock, uniforms=uniforms, writer=writer)
    log = json_logger(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if ignored := service_variables(os.environ):
            log.info("service_variables_ignored", variables=ignored, port=settings.port)
        service.start()
        try:
            if service.ledger.decider is None:
                log.error("release_unavailable", detail=service.served.reason)
            if service.generation_reason is not None:
                log.error("live_model_unavailable", detail=service.generation_reason)
            yield
        finally:
            await service.stop()

    app = Litestar(
        [
            decisions.retain,
            decisions.decision,
            outcomes.observe,
            pacing.pacing,
            health.healthz,
            health.readyz,
            docs.root,
            docs.page,
            docs.assets(),
        ],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False, use_cache=True)},
        lifespan=[lifespan],
        plugins=[problem_plugin(log)],
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
        openapi_config=openapi_config(),
    )
    complete(app)
    return app
