"""The OpenAPI document, with what Litestar can't tell from the handlers added."""

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import OpenAPIType, Schema

from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.runtime.messages.message import MessageRequest
from churnsaver_serving.runtime.scoring.reasons import RiskDriver
from churnsaver_serving.schemas import OutcomeRequest, RetainRequest

API_VERSION = "0.1.0"

# Structs that refuse unknown fields in a request.
_CLOSED = (RetainRequest, MessageRequest, Profile, OutcomeRequest)


def openapi_config() -> OpenAPIConfig:
    """Return title, version, and where the document is served."""
    return OpenAPIConfig(
        title="ChurnSaver",
        version=API_VERSION,
        description=(
            "Whom to contact, with which offer, when and in what words, to keep those about to "
            "leave."
        ),
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
    )


def complete(app: Litestar) -> None:
    """Mend the document: unknown fields are refused, and an integer is a number too."""
    for struct in _CLOSED:
        _component(app, struct).additional_properties = False
    properties = _component(app, RiskDriver).properties or {}
    properties["value"] = Schema(
        one_of=[
            Schema(type=kind)
            for kind in (OpenAPIType.BOOLEAN, OpenAPIType.NUMBER, OpenAPIType.STRING)
        ],
        description="The field's value for this customer.",
    )


def _component(app: Litestar, struct: type) -> Schema:
    schema = app.openapi_schema.components.schemas[struct.__name__]
    if not isinstance(schema, Schema):
        raise TypeError(f"{struct.__name__}: expected a schema in the document's components")
    return schema
