"""Atomic writes and fingerprints."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from churnsaver_assets.common.atomic import new_folder, write_bytes, write_text
from churnsaver_assets.common.fingerprint import fingerprint


def test_a_write_takes_the_place_of_the_earlier_file_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "folder" / "file"
    write_text(path, "one\n")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"one")

    def fail(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("churnsaver_assets.common.atomic.os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_new_folder_takes_the_place_of_the_earlier_one_once_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "below" / "folder"
    for content in ("one", "two"):
        with new_folder(place) as folder:
            (folder / content).write_text(content)
            assert not (place / content).exists()
        assert [path.name for path in place.iterdir()] == [content]
    assert list(place.parent.iterdir()) == [place]


def test_a_folder_whose_making_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    (place / "one").write_text("one")

    def cut() -> None:
        with new_folder(place) as folder:
            (folder / "two").write_text("two")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        cut()
    assert [path.name for path in place.iterdir()] == ["one"]
    assert list(tmp_path.iterdir()) == [place]


@dataclass
class Row:
    name: str
    size: int


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        (np.zeros(2), np.zeros(3)),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (Row("a", 1), Row("a", 2)),
        (b"1", "1"),
        ("ab", ["a", "b"]),
    ],
)
def test_a_fingerprint_tells_values_apart(one: object, other: object) -> None:
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_sees_where_one_part_ends() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_a_mapping_is_the_same_in_any_order() -> None:
    assert fingerprint({"a": 1, "b": np.ones(1)}) == fingerprint({"b": np.ones(1), "a": 1})


def test_what_has_no_bytes_of_its_own_is_an_error() -> None:
    with pytest.raises(TypeError):
        fingerprint(object())
