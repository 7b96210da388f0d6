"""The cache of converted base models: taken, verified, made anew."""

from pathlib import Path

import pytest

from churnsaver_assets.experiments.text_spec import BaseModelSpec
from churnsaver_assets.text.model import base_model, base_model_cache
from churnsaver_assets.text.model.base_model_cache import cache_folder, cached_base_model
from churnsaver_assets.text.model.loading import directory_sha256
from tests.support.text.models import tiny_opt

SPEC = BaseModelSpec(source="package", name="weights_of_a_test/tiny.gguf")


class Machine:
    """A cache, an installed package of weights, and a count of the conversions made.

    The package's file isn't GGUF: an OPT of no size is read in its place, as the cache doesn't look
    into what is converted.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.conversions, self.told = folder, 0, list[str]()
        self.source = folder / "site" / "weights_of_a_test" / "tiny.gguf"
        self.source.parent.mkdir(parents=True)
        (self.source.parent / "__init__.py").touch()
        self.source.write_bytes(b"weights")
        opt = tiny_opt(folder / "opt")

        def read(_: str) -> object:
            self.conversions += 1
            return base_model._from_directory(opt)

        patch.syspath_prepend(str(folder / "site"))
        patch.setenv("CHURNSAVER_CACHE", str(folder / "cache"))
        patch.setattr(base_model, "_from_package", read)

    def make(self, name: str) -> str:
        """Make the base model and return its directory's hash."""
        target = self.folder / name
        report = cached_base_model(SPEC, target, told=self.told.append)
        assert report.sha256 == directory_sha256(target)
        return report.sha256

    @property
    def kept(self) -> list[Path]:
        """Return the cache's entries."""
        return list((self.folder / "cache" / "base_models").iterdir())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_model_is_converted_once_and_the_same_bytes_are_taken_then(machine: Machine) -> None:
    first = machine.make("one")
    (machine.folder / "two").mkdir()  # as the graph makes it, before there is anything in it
    assert machine.make("two") == first
    assert machine.conversions == 1
    assert "taken from" in machine.told[-1]
    assert len(machine.kept) == 1


@pytest.mark.parametrize("damaged", ["model/model.safetensors", "report.json"])
def test_a_damaged_entry_is_made_anew_and_says_so(machine: Machine, damaged: str) -> None:
    first = machine.make("one")
    path = machine.kept[0] / damaged
    path.write_bytes(path.read_bytes()[:-9])
    assert machine.make("two") == first
    assert machine.conversions == 2
    assert "is damaged" in machine.told[-1]
    assert machine.make("three") == first
    assert machine.conversions == 2


def test_a_missing_file_of_an_entry_is_damage_too(machine: Machine) -> None:
    machine.make("one")
    (machine.kept[0] / "model" / "tokenizer.json").unlink()
    machine.make("two")
    assert machine.conversions == 2


def test_other_weights_code_or_libraries_are_converted_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make("one")
    machine.source.write_bytes(b"other weights")
    machine.make("two")
    monkeypatch.setattr(base_model_cache, "version", lambda name: f"{name} of tomorrow")
    machine.make("three")
    monkeypatch.setattr(base_model_cache, "_CODE", (base_model,))
    machine.make("four")
    assert machine.conversions == 4
    assert len(machine.kept) == 4


def test_a_cache_that_cannot_be_written_stops_nothing(machine: Machine) -> None:
    (machine.folder / "cache").write_text("a file where the folder should be")
    machine.make("one")
    assert "can't be kept" in machine.told[-1]


def test_the_cache_is_in_the_users_own_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURNSAVER_CACHE", "~/own place")
    assert cache_folder() == Path("~/own place").expanduser()
    monkeypatch.delenv("CHURNSAVER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert cache_folder() == Path("/somewhere/cache/churnsaver")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/churnsaver")
