"""JSON bodies, decoded once and straight into their struct; what is wrong names its field."""

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from churnsaver_serving.problems import FieldError, Problem, invalid, malformed
from churnsaver_serving.routes.fields import BODY, explain, field_at

_NOT_FINITE = re.compile(rb"NaN|Infinity")
_BYTE = re.compile(r"\(byte (\d+)\)$")

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator

T = TypeVar("T")


class JsonBody(AbstractDTO[T], Generic[T]):
    """A decoder of a request's body with msgspec into the handler's `data`.

    Litestar's own way decodes to plain values first and converts them, which takes longer and
    loses where in the body an error stands.
    """

    decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - the class keywords
        """Make the decoder where the type is given: `JsonBody[Type]`."""
        super().__init_subclass__(**kwargs)
        cls.decoder = msgspec.json.Decoder(cls.model_type)

    def decode_bytes(self, value: bytes) -> T:
        """Decode a body.

        Raises:
            Problem: The body is not JSON, or not what the struct says.
        """
        connection = self.asgi_connection
        if isinstance(connection, Request) and connection.content_type[0] != "application/json":
            message = f"expected application/json, got {connection.headers.get('content-type')}"
            errors = [FieldError("Content-Type", message)]
            raise Problem(415, None, f"Content-Type: {message}", errors)
        try:
            decoded: T = self.decoder.decode(value)
        except msgspec.ValidationError as error:
            raise invalid(*explain(self.model_type, error)) from error
        except msgspec.DecodeError as error:
            at = _BYTE.search(str(error))
            end = int(at[1]) if at else len(value)
            token = _NOT_FINITE.match(value, end)
            message = f"{token[0].decode()} is no number in JSON" if token else str(error)
            raise malformed(field_at(value, end), message) from error
        except UnicodeDecodeError as error:
            raise malformed(BODY, "not encoded as UTF-8") from error
        return decoded

    @classmethod
    def create_for_field_definition(cls, *_: object, **__: object) -> None:
        """Prepare nothing: there is no transfer model."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003 - the base class's signature
        schema_creator: "SchemaCreator",
    ) -> Reference | Schema:
        """Return the struct's own schema."""
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(
        cls,
        model_type: type[Any],  # noqa: ARG003 - the base class's signature
    ) -> Generator[DTOFieldDefinition, None, None]:
        """Yield none: there is no transfer model."""
        yield from ()

    @classmethod
    def detect_nested_field(
        cls,
        field_definition: FieldDefinition,  # noqa: ARG003 - the base class's signature
    ) -> bool:
        """Return False: there is no transfer model."""
        return False
