"""`/` and `/docs`: the API's page, whose scripts come from the server itself."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import MediaType, Request, Router, get
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

ASSETS = "/docs/assets"

_PAGE = SwaggerRenderPlugin(
    js_url=f"{ASSETS}/swagger-ui-bundle.js",
    css_url=f"{ASSETS}/swagger-ui.css",
    standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
    favicon=f'<link rel="icon" href="{ASSETS}/favicon-32x32.png">',
)


@get("/", include_in_schema=False, sync_to_thread=False)
def root() -> Redirect:
    """Lead to the page."""
    return Redirect("/docs")


@get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def page(request: Request[Any, Any, Any]) -> bytes:
    """Show Swagger UI on the server's own OpenAPI document."""
    return _PAGE.render(request, request.app.openapi_schema.to_schema())


def assets() -> Router:
    """Serve Swagger UI's files, out of the installed package."""
    spec = find_spec("swagger_ui")  # not imported: only its files are wanted
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "swagger_ui: the API's page needs it; install the extra `churnsaver[serving]`"
        )
    return create_static_files_router(
        ASSETS, [Path(spec.origin).parent / "static"], include_in_schema=False
    )
