"""The OpenAPI document against the running server, and the page that shows it."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.serving.process import ServerProcess


@pytest.mark.slow
def test_schemathesis_finds_nothing(server: ServerProcess, tmp_path: Path) -> None:
    """Generated requests, good and bad: no 5xx, and every answer is as documented.

    `positive_data_acceptance` is left out: a schema can't say that a profile must not contradict
    itself, so requests that fit it may be refused.
    """
    run = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("run", f"{server.url}/schema/openapi.json", "--seed", "42", "--max-examples", "300"),
            *("--exclude-checks", "positive_data_acceptance", "--continue-on-failure"),
            *("--generation-database", "none", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    tested = re.search(r"Tested: (\d+)", run.stdout)
    assert tested is not None
    assert tested[1] == "6"


def test_document_describes_every_problem(client: httpx.Client) -> None:
    document = client.get("/schema/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                kind = "application/json" if status == "200" else "application/problem+json"
                assert list(response["content"]) == [kind]
    assert document["components"]["schemas"]["Profile"]["additionalProperties"] is False


def test_examples_are_valid_requests(client: httpx.Client) -> None:
    document = client.get("/schema/openapi.json").json()
    retain = document["paths"]["/retain"]["post"]["requestBody"]
    example = retain["content"]["application/json"]["schema"]["examples"][0]
    assert client.post("/retain", json=example).status_code == 200
    outcome = document["paths"]["/outcomes"]["post"]["requestBody"]
    example = outcome["content"]["application/json"]["schema"]["examples"][0]
    assert client.post("/outcomes", json=example).status_code == 404


def test_page_needs_no_other_server(client: httpx.Client) -> None:
    root = client.get("/")
    assert root.is_redirect
    page = client.get(root.headers["location"]).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 4
    for source in sources:
        assert source.startswith("/docs/assets/")
        assert client.get(source).status_code == 200
