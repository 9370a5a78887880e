"""Capture in a Django project that knows nothing of the service: its settings, its views, its statements."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tuning.stack.stack import Stack

PROJECT = """
import json, os, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="__main__",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **json.loads(os.environ["DATABASE"])}},
    MIDDLEWARE=["service.capture.middleware.Capture"] if sys.argv[1] == "on" else [],
    HOTROW_CAPTURE={"DIRECTORY": sys.argv[2], "SHARE": float(sys.argv[3])},
)
django.setup()
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.urls import path
from django.test import Client


def view(request, number):
    with transaction.atomic(), connection.cursor() as cursor:
        for each in range(number):
            cursor.execute("SELECT %s::int AS token_count", [each])
        cursor.executemany("SELECT %(n)s::int, %(token)s::text", [{"n": 1, "token": "secret"}])
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / %s", [0])
    except DatabaseError:
        pass
    return HttpResponse("served")


urlpatterns = [path("loop/<int:number>", view)]
for _ in range(20):
    assert Client().get("/loop/3").content == b"served"
print(sorted(name for name in sys.modules if name.startswith(("service.", "ninja", "prometheus"))))
"""


def run(stack: Stack, directory: Path, mode: str, share: str) -> str:
    parts = dict(part.split("=", 1) for part in stack.direct.split() if "=" in part)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    database = {names[name]: value.strip("'") for name, value in parts.items() if name in names}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOTROW_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROJECT, mode, str(directory), share],
        env=kept | {"DATABASE": json.dumps(database)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in directory.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_loop_of_queries_is_seen_whole(stack: Stack, tmp_path: Path) -> None:
    loaded = run(stack, tmp_path, "on", "1")
    for room in ("service.config", "service.stock", "service.ops", "service.metrics", "prometheus"):
        assert room not in loaded
    found = lines(tmp_path)
    first = [each for each in found if each["request_id"] == found[0]["request_id"]]
    assert len(found) == 20 * len(first)
    assert [each["params"] for each in first] == [
        [0], [1], [2], [{"n": 1, "token": {"type": "redacted"}}], [0],
    ]  # fmt: skip
    assert {each["route"] for each in first} == {"loop/<int:number>"}
    assert [each["in_transaction"] for each in first] == [True] * 4 + [False]
    assert [each["many"] for each in first] == [False, False, False, True, False]
    assert [each["error"] for each in first] == [None] * 4 + ["22012"]
    assert [each["rows"] for each in first] == [1, 1, 1, 1, None]


def test_nothing_is_written_where_it_is_not_installed(stack: Stack, tmp_path: Path) -> None:
    assert "service." not in run(stack, tmp_path, "off", "1")
    assert lines(tmp_path) == []


def test_share_is_of_requests(stack: Stack, tmp_path: Path) -> None:
    run(stack, tmp_path, "on", "0.5")
    found = lines(tmp_path)
    whole = {each["request_id"]: 0 for each in found}
    for each in found:
        whole[each["request_id"]] += 1
    # Of 20 requests; that none or all are taken happens once in half a million times.
    assert 0 < len(whole) < 20
    assert set(whole.values()) == {5}
