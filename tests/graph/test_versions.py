"""Versions follow content and sources, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from churnsaver_assets.defs.lib import code
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules a -> b -> deep.c, and d that nobody imports."""
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("")
    (package / "a.py").write_text(A)
    (package / "b.py").write_text(B)
    (package / "deep" / "c.py").write_text(C)
    (package / "d.py").write_text("y = 1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "PACKAGES", ("package",))
    code.forget()
    yield package
    code.forget()


A = """
import os
from package.b import name

TABLE = {"name": name}

def asset():
    return TABLE["name"]()

def other():
    return 2
"""
B = '''
LIMIT = 3

class Base:
    def run(self):
        return LIMIT

class Runner(Base):
    """Runs."""

def name():
    from package.deep import c
    return Runner().run() + c.used()

def apart():
    return 4
'''
C = """
def used():
    return 1
"""


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    code.forget()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("a.py", 'TABLE["name"]()', 'TABLE["name"]() + 1'),
        ("a.py", '{"name": name}', '{"name": name, "more": name}'),
        ("b.py", "Runner().run()", "2 * Runner().run()"),
        ("b.py", "LIMIT = 3", "LIMIT = 4"),
        ("b.py", "return LIMIT", "return LIMIT + 1"),
        ("deep/c.py", "return 1", "return 2"),
    ],
)
def test_code_version_follows_names_to_the_end(
    package: Path, file: str, old: str, new: str
) -> None:
    before = code_version("package.a", "asset")
    assert code_version("package.a", "asset") == before
    edit(package / file, old, new)
    assert code_version("package.a", "asset") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("a.py", "return 2", "return 3"),
        ("b.py", "return 4", "return 5"),
        ("d.py", "y = 1", "y = 2"),
        ("b.py", '"""Runs."""', '"""Runs it."""'),
        ("b.py", "LIMIT = 3", "LIMIT  =  3  # three"),
    ],
)
def test_code_version_leaves_out_what_is_not_run(
    package: Path, file: str, old: str, new: str
) -> None:
    before = code_version("package.a", "asset")
    edit(package / file, old, new)
    assert code_version("package.a", "asset") == before


def test_a_moved_module_keeps_its_version_and_a_changed_line_does_not(package: Path) -> None:
    before = code_version("package.a", "asset")
    (package / "elsewhere").mkdir()
    (package / "elsewhere" / "__init__.py").write_text("")
    (package / "b.py").rename(package / "elsewhere" / "e.py")
    (package / "deep" / "c.py").rename(package / "c.py")
    edit(package / "a.py", "from package.b import name", "from package.elsewhere.e import name")
    edit(package / "elsewhere" / "e.py", "from package.deep import c", "from package import c")
    assert code_version("package.a", "asset") == before
    edit(package / "elsewhere" / "e.py", "LIMIT = 3", "LIMIT = 4")
    assert code_version("package.a", "asset") != before


def test_a_function_moved_to_another_module_keeps_its_version(package: Path) -> None:
    before = code_version("package.a", "asset")
    edit(package / "b.py", "LIMIT = 3", "from package.d import LIMIT")
    (package / "d.py").write_text("LIMIT = 3\n")
    code.forget()
    assert code_version("package.a", "asset") == before


def test_functions_of_one_name_are_told_apart(package: Path) -> None:
    (package / "one.py").write_text("def size():\n    return 1\n")
    (package / "two.py").write_text("def size():\n    return 2\n")
    (package / "here.py").write_text("from package.one import size\n\ndef here():\n    size()\n")
    (package / "there.py").write_text("from package.two import size\n\ndef there():\n    size()\n")
    edit(package / "a.py", "return 2", "return here() - there()")
    edit(
        package / "a.py",
        "import os",
        "from package.here import here\nfrom package.there import there",
    )
    before = code_version("package.a", "other")
    edit(package / "here.py", "package.one", "package.two")
    edit(package / "there.py", "package.two", "package.one")
    assert code_version("package.a", "other") != before


def test_code_version_of_a_module_is_that_of_all_its_names(package: Path) -> None:
    before = code_version("package.a")
    edit(package / "a.py", "return 2", "return 3")
    assert code_version("package.a") != before


def test_a_statement_that_binds_nothing_counts_with_whatever_is_used(package: Path) -> None:
    before = code_version("package.a", "asset")
    edit(package / "b.py", "LIMIT = 3", "LIMIT = 3\nprint(LIMIT)")
    assert code_version("package.a", "asset") != before


def modules_of(module: str, name: str | None) -> set[str]:
    return {reached for reached, _ in code.reached([(module, name)])}


def test_code_version_of_an_asset_sees_the_serving_code_it_runs() -> None:
    modules = modules_of("churnsaver_assets.defs.policy", None)
    assert "churnsaver_serving.runtime.policies.learned" in modules
    assert "churnsaver_serving.runtime.policies.value" in modules
    # Torch is imported inside the asset's function, and what needs it with it.
    assert "churnsaver_assets.decision.ppo.loss" in modules


def test_other_rules_for_messages_train_the_writer_anew_and_not_its_base() -> None:
    shield = "churnsaver_serving.runtime.shield.shield"
    for name in ("ppo_text_model", "rejection_model"):
        assert shield in modules_of("churnsaver_assets.defs.text.writers", name), name
    for name in ("sft_model", "base_model", "_reward_asset"):
        assert shield not in modules_of("churnsaver_assets.defs.text.models", name), name


def test_code_version_of_nothing_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"churnsaver_assets\.no_such"):
        code_version("churnsaver_assets.no_such")
    with pytest.raises(ModuleNotFoundError, match="no_such_asset"):
        code_version("churnsaver_assets.defs.policy", "no_such_asset")


def test_files_version_sees_names_and_contents() -> None:
    version = files_version({"a": b"1", "b": b"2"})
    assert files_version({"b": b"2", "a": b"1"}) == version
    assert files_version({"a": b"2", "b": b"1"}) != version
    assert files_version({"a": b"1", "c": b"2"}) != version


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": [1, 3], "b": ["x", "y"]}),
        pd.DataFrame({"a": [2, 1], "b": ["y", "x"]}),
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        pd.DataFrame({"a": [1, 2], "c": ["x", "y"]}),
    ],
)
def test_frame_version_sees_values_order_types_and_names(other: pd.DataFrame) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert frame_version(frame.copy()) == frame_version(frame)
    assert frame_version(other) != frame_version(frame)


def test_frame_version_sees_the_label() -> None:
    frame = pd.DataFrame({"a": [1]})
    labelled = frame.copy()
    labelled.attrs["label"] = "sample"
    assert frame_version(labelled) != frame_version(frame)
