"""The API against its own OpenAPI document: no server error, no answer that is not documented.

With HOTROW_SOAK_S it asks for so long, with a new seed each time.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

SOAK_S = int(os.environ.get("HOTROW_SOAK_S", "0"))
SEED = random.randrange(2**32) if SOAK_S else 20_261_122
EXAMPLES = 500 if SOAK_S else 15
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def url(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a payment provider, so that no call is 501; nobody asks the provider here."""
    port = free_port()
    settings = {**stack.service_env(), "PAYMENT_URL": f"http://{HOST}:9", "STRATEGY": "batched"}
    child = web.start(tmp_path_factory.mktemp("schemathesis") / "log", port, settings)
    yield f"http://{HOST}:{port}"
    child.stop()


def ask(url: str, schema: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with Client(url) as client:
        assert client.log_in("user31").status == 200
        token = client.token
    command = [str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIGURATION), "run", schema]
    command += ["--url", url, "--header", f"Authorization: Bearer {token}", "--no-color", "--request-timeout", "20"]
    command += ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--workers", "2", *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


@pytest.mark.timeout(180 + 2 * SOAK_S)
def test_api_keeps_to_its_document(url: str, tmp_path: Path) -> None:
    options = ["--max-time", str(SOAK_S)] if SOAK_S else []
    done = ask(url, f"{url}/api/openapi.json", tmp_path, *options)
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout[-8000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("wrong", ["status", "body"])
def test_answer_that_is_not_documented_is_found(url: str, tmp_path: Path, wrong: str) -> None:
    """The control: a document that says something else than the service does."""
    with Client(url) as client:
        document: dict[str, Any] = client.get("/api/openapi.json").json
    operation = document["paths"]["/api/products"]["get"]
    if wrong == "status":
        del operation["responses"]["422"]
    else:
        document["components"]["schemas"]["ProductPage"]["properties"]["items"] = {"type": "string"}
    document["paths"] = {"/api/products": {"get": operation}}
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(document))
    done = ask(url, str(schema), tmp_path)
    assert done.returncode == 1, done.stdout[-2000:]
    assert ("Undocumented status code" if wrong == "status" else "schema") in done.stdout
