"""Text files in each upstream's layout, written by hand, and sources pinned to them."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from churnsaver_assets.data.sources.content import sha256_hex
from churnsaver_assets.data.sources.raw import RawSource
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.sources.source import File
from churnsaver_assets.experiments.text_spec import TextDataSpec

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import Format, Kind, Source


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def packed(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return gzip.compress(lines(rows), mtime=0)


def message(text: str, role: str = "assistant", **changed: Any) -> dict[str, Any]:
    return {
        "message_id": f"id of {text}",
        "text": text,
        "role": role,
        "lang": "en",
        "deleted": False,
        "synthetic": False,
        "review_result": True,
        "rank": None,
        "replies": [],
        **changed,
    }


def tree(prompt: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    name = prompt["message_id"]
    return {"message_tree_id": name, "tree_state": "ready_for_export", "prompt": prompt} | changed


def hh(before: str, chosen: str, rejected: str) -> dict[str, str]:
    return {
        "chosen": f"{before}\n\nAssistant: {chosen}",
        "rejected": f"{before}\n\nAssistant: {rejected}",
    }


def post(post_id: str, ratio: float, label: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "post_id": post_id,
        "history": f"What is {post_id} about?",
        "human_ref_A": f"first reply at {ratio} to {post_id}",
        "human_ref_B": f"second reply at {ratio} to {post_id}",
        "labels": label,
        "score_ratio": ratio,
        **changed,
    }


def raw(name: str, file: str, layout: Format, content: bytes, kind: Kind = "human") -> RawSource:
    source = TEXT_SOURCES[name]
    return RawSource(
        name=name,
        table=source.table,
        part="by hand",
        kind=kind,
        files={file: content},
        formats={file: layout},
        sha256=sha256_hex(content),
        rows=1,
        label="sample",
        origin="sample",
        read_from="a test",
        licence="none",
        upstream="none",
        citation="none",
    )


def hh_raw(rows: Iterable[Mapping[str, Any]]) -> RawSource:
    return raw("hh_rlhf", "hh.jsonl.gz", "hh_rlhf", packed(rows))


def dolly_raw(pairs: Iterable[tuple[str, str]], kind: Kind = "human") -> RawSource:
    rows = [{"instruction": one, "context": "", "response": other} for one, other in pairs]
    return raw("dolly", "dolly.jsonl", "dolly", lines(rows), kind)


def spec(
    sft: Iterable[str] = ("dolly",), preferences: Iterable[str] = ("hh_rlhf",), **changed: Any
) -> TextDataSpec:
    settings = {
        "max_sft_pairs": 18_440,
        "max_preference_pairs": 100_000,
        "holdout_share": 0.2,
        "gold_share": 0.25,
        **changed,
    }
    return TextDataSpec(sft_sources=tuple(sft), preference_sources=tuple(preferences), **settings)


def served(source: Source, address: str, files: Mapping[str, bytes], **hashes: str) -> Source:
    """Return the source as if these files were all that upstream publishes.

    Args:
        source: The source whose layout the files have.
        address: The server's address.
        files: Name to content.
        hashes: Name to published hash, with `_` for `.`; none is published for the others.
    """
    assert source.remote is not None
    layout = source.remote.files[0].format
    remote = tuple(
        File(
            name=name,
            at=f"{address}/{name}",
            sha256=hashes.get(name.replace(".", "_")),
            format=layout,
        )
        for name in files
    )
    part = dataclasses.replace(source.remote, files=remote, rows=(1, 100))
    return dataclasses.replace(source, remote=part, mirror=None)
