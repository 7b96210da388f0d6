"""One full run of the graph for all tests here; each test that changes it works on a copy.

Changes that much has to be run anew for are made once, too, for all tests of what comes of them.
"""

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.graph.edits import edit_column, permuted, swapped
from tests.support.graph.experiment import small_experiment
from tests.support.graph.harness import Changed, Graph
from tests.support.graph.served import Answers, Ask, answers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, tiny_model: "Path") -> Graph:
    """The graph, materialised once on the generated sample; not to be changed."""
    graph = Graph(tmp_path_factory.mktemp("graph"))
    graph.home.mkdir()
    small_experiment(graph.experiment, tiny_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHURNSAVER_DATA", "sample")
        graph.run()
    return graph


@pytest.fixture
def graph(pristine: Graph, tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> Graph:
    """A copy of the materialised graph."""
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    return pristine.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def another_risk(pristine: Graph, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """The graph with a risk model learnt from noisier labels; not to be changed."""
    graph = pristine.copy(tmp_path_factory.mktemp("risk") / "copy")
    graph.change_source("telco", edit_column("Churn", permuted(0.25)))
    return Changed(graph, graph.bring_up_to_date(text=False))


@pytest.fixture(scope="session")
def another_acceptance(pristine: Graph, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """The graph with an acceptance model that holds for yes what was no; not to be changed."""
    graph = pristine.copy(tmp_path_factory.mktemp("acceptance") / "copy")
    graph.change_source("bank", edit_column("y", swapped))
    return Changed(graph, graph.bring_up_to_date(text=False))


@pytest.fixture(scope="session")
def other_assumptions(pristine: Graph, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """The graph of another experiment: offers help half as much, more are at risk; as it is."""
    graph = pristine.copy(tmp_path_factory.mktemp("assumptions") / "copy")
    graph.edit_experiment(
        assumptions__offer_response__value=0.05, baseline_policy__risk_quantile=0.7
    )
    return Changed(graph, graph.bring_up_to_date(text=False))


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What the API answers for the first customers with a graph's current release."""

    def ask(graph: Graph, **settings: Any) -> Answers:
        customers = graph.load("telco_customers").head(100)
        return answers(graph, customers, tmp_path_factory.mktemp("ask") / "ledger.db", **settings)

    return ask


@pytest.fixture(scope="session")
def served(pristine: Graph, ask: Ask) -> Answers:
    """What it answers with the release of the graph as it is."""
    return ask(pristine)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one worker, so that the graph is run once."""
    for item in items:
        if "tests/graph/" in item.nodeid and "pristine" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("graph"))
