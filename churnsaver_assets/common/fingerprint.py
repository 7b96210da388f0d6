"""One hash of everything that a piece of work depends on."""

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np


def fingerprint(*parts: object) -> str:
    """Hash everything that a run, a checkpoint or a cached value depends on.

    Args:
        parts: Bytes, NumPy arrays, pydantic models, or anything that msgspec writes as JSON
            (structs, dataclasses, numbers, text, lists and mappings of these). A mapping's order
            doesn't count; a sequence's does.

    Returns:
        A sha256 in lower-case hex.

    Raises:
        TypeError: A part is of another kind: a `repr` would not stand for its value.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(_bytes(part)).digest())
    return digest.hexdigest()


def _bytes(part: object) -> bytes:
    if isinstance(part, bytes):
        return b"bytes" + part
    if isinstance(part, np.ndarray):
        kind = f"array{part.dtype.str}{part.shape}".encode()
        return kind + np.ascontiguousarray(part).tobytes()
    if isinstance(part, Mapping):
        return b"mapping" + b"".join(
            hashlib.sha256(str(key).encode()).digest() + hashlib.sha256(_bytes(part[key])).digest()
            for key in sorted(part, key=str)
        )
    dump = getattr(part, "model_dump_json", None)
    return dump().encode() if dump else msgspec.json.encode(part)
