"""Where in a body an error stands."""

import json
from typing import Any

from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.routes.fields import field_at

MARK = "\N{SNOWMAN}"
names = st.text(
    st.characters(codec="ascii", exclude_characters=".", categories=["L", "N"]), min_size=1
)
leaves = st.none() | st.booleans() | st.integers() | st.text() | st.just(MARK)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20
)


def path_to_mark(value: Any) -> str | None:
    """Path of the first mark in the document's order."""
    if value == MARK:
        return ""
    if isinstance(value, list):
        value = {str(index): item for index, item in enumerate(value)}
    if isinstance(value, dict):
        for name, item in value.items():
            if (inner := path_to_mark(item)) is not None:
                return f"{name}.{inner}".rstrip(".")
    return None


@seed(42)
@given(documents, st.sampled_from([None, 1]))
def test_finds_the_field_of_a_bad_token(document: Any, indent: int | None) -> None:
    document = {"first": 1, "in": [document, MARK]}
    body = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    at = body.index(f'"{MARK}"'.encode())
    assert field_at(body.replace(f'"{MARK}"'.encode(), b"NaN"), at) == path_to_mark(document)


@seed(42)
@given(st.binary(max_size=60), st.integers(0, 80))
def test_takes_anything(body: bytes, at: int) -> None:
    assert field_at(body, at)


def test_outside_of_fields() -> None:
    assert field_at(b"", 0) == "body"
    assert field_at(b'{"a": 1}x', 8) == "body"
    assert field_at(b'{"a": 1, ', 9) == "body"
    assert field_at(rb'{"a \" {": {"b": ', 17) == 'a \\" {.b'
