"""One full run of the graph for all tests here; each test that changes it works on a copy."""

import os
from pathlib import Path

import pytest
from graph_harness import Graph, small_experiment


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The graph, materialised once on the generated sample; not to be changed."""
    graph = Graph(tmp_path_factory.mktemp("graph"))
    graph.home.mkdir()
    small_experiment(graph.experiment)
    before = os.environ.get("CHURNSAVER_DATA")
    os.environ["CHURNSAVER_DATA"] = "sample"
    try:
        graph.run()
    finally:
        if before is None:
            del os.environ["CHURNSAVER_DATA"]
        else:
            os.environ["CHURNSAVER_DATA"] = before
    return graph


@pytest.fixture
def graph(pristine: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """A copy of the materialised graph."""
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    return pristine.copy(tmp_path / "copy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one worker, so that the graph is run once."""
    for item in items:
        if "tests/graph/" in item.nodeid and {"graph", "pristine"} & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group("graph"))
