"""Fields of a JSON body that errors are about, as dotted paths."""

import re
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

BODY = "body"

_ERROR = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+")
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_OWN = re.compile(r"(?P<name>\w+): (?P<what>.*)", re.DOTALL)
_SCALAR = re.compile(rb"true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


def explain(model: type, error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the field that a validation error is about, and what is wrong with it.

    Args:
        model: The struct that was decoded.
        error: The error as msgspec raised it.
    """
    found = _ERROR.fullmatch(str(error))
    what, path = (found["what"], found["path"]) if found else (str(error), None)
    steps = _STEP.findall(path or "")
    if missing_or_unknown := _FIELD.fullmatch(what):
        steps.append(missing_or_unknown["name"])
        what = "unknown field" if "unknown" in what.split("`")[0] else "required, but missing"
    elif own := _OWN.fullmatch(what):  # raised by a struct's __post_init__
        steps.append(own["name"])
        what = own["what"]
    elif what.startswith("Invalid enum value"):
        what = f"{what}; expected one of {', '.join(map(repr, _choices(model, steps)))}"
    return ".".join(steps) or BODY, what


def field_at(body: bytes, end: int) -> str:
    """Return the field in whose value a byte of malformed JSON stands.

    Args:
        body: The whole body.
        end: Offset of the byte.
    """
    # One entry for each open container: the key or index that is being read in it.
    open_: list[str | int | None] = []
    for token in _TOKEN.finditer(body, 0, min(end, len(body))):
        match token.group():
            case b"{":
                open_.append(None)
            case b"[":
                open_.append(0)
            case b"}" | b"]":
                del open_[-1:]
            case b",":
                if open_:
                    open_[-1] = open_[-1] + 1 if isinstance(open_[-1], int) else None
            case text if open_ and open_[-1] is None and text.startswith(b'"'):
                open_[-1] = text.strip(b'"').decode(errors="replace")
            case text if not text.startswith(b'"') and text != b":" and not _SCALAR.fullmatch(text):
                break  # the decoder may have noticed a few bytes later
    return ".".join(str(step) for step in open_ if step is not None) or BODY


def _choices(model: Any, steps: list[str]) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    """Return the values that a field may take."""
    for step in steps:
        model = _given(get_type_hints(model)[step])
    return get_args(model) if get_origin(model) is Literal else ()


def _given(model: Any) -> Any:  # noqa: ANN401 - any annotation
    """Return an annotation without the null that it may allow."""
    given = [one for one in get_args(model) if one is not NoneType]
    return given[0] if get_origin(model) is UnionType and len(given) == 1 else model
