"""The page of a diagnosis in a browser: drawn, sortable, silent, for light and dark, and on a narrow screen."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.unit.command import hotrow
from tests.unit.run_folders import activity, processes, service, session, write

HOLDER = session(7, state="idle in transaction", wait="Client:ClientRead", xact_s=5.0)
WAITERS = [session(pid, wait="Lock:transactionid", by=[7]) for pid in (1, 2, 3)]
# Chromium's own numbers for what a reader prefers.
DARK, LIGHT = 0, 1
# The page in a frame of its own origin, so that its inside can be asked.
FRAME = """<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<pre id="told"></pre>
<script>
document.getElementById("frame").addEventListener("load", (event) => {{
  const page = event.target.contentDocument, told = {{}};
  const table = [...page.querySelectorAll("table")].find((each) => each.textContent.includes("req/s"));
  const column = () => [...table.tBodies[0].rows].map((row) => row.cells[2].textContent);
  told.before = column();
  table.querySelectorAll("button")[2].click();
  told.rising = column();
  table.querySelectorAll("button")[2].click();
  told.falling = column();
  told.sort = table.querySelectorAll("th")[2].getAttribute("aria-sort");
  told.wide = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  told.width = page.documentElement.clientWidth;
  told.paper = event.target.contentWindow.getComputedStyle(page.body).backgroundColor;
  told.charts = [...page.querySelectorAll("figcaption")].map((each) => each.textContent);
  told.empty = [...page.querySelectorAll("svg")].filter((each) => !each.querySelector("rect, polyline")).length;
  told.locks = page.querySelectorAll("circle.event").length;
  told.heading = page.querySelector("h1").textContent;
  document.getElementById("told").textContent = JSON.stringify(told);
}});
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("chromium")
    assert program is not None
    return program


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a ladder of two runs, the first with a session that held a row."""
    ladder = tmp_path_factory.mktemp("ladder")
    write(ladder / "baseline-1", [*service(0.09), *processes(web=0.4), *activity(HOLDER, *WAITERS)])
    write(ladder / "function-1", [*service(0.04), *processes(web=0.9), *activity(session(1))])
    out = ladder / "out.html"
    done = hotrow("diagnose", str(ladder), "--html", str(out), "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    return out.read_text()


def shown(chromium: str, directory: Path, page: str, *, width: int = 1000, scheme: int = LIGHT) -> tuple[Any, str]:
    """What the frame told, and the browser's console."""
    outer = directory / f"frame-{width}-{scheme}.html"
    outer.write_text(FRAME.format(width=width, page=html.escape(page, quote=True)))
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += [f"--user-data-dir={directory / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*command, outer.as_uri()], capture_output=True, text=True, timeout=90)
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    return json.loads(html.unescape(found[1]) or "null"), console


def test_page_is_drawn_and_sorts_and_the_console_is_silent(chromium: str, page: str, tmp_path: Path) -> None:
    told, console = shown(chromium, tmp_path, page)
    assert console == ""
    assert told["heading"].startswith("function-1 reached ")
    assert told["empty"] == 0
    for chart in (
        "Measured throughput",
        "Latency",
        "Throughput over time",
        "Where the time",
        "Sessions of the database",
    ):
        assert any(each.startswith(chart) for each in told["charts"]), (chart, told["charts"])
    assert told["locks"] > 0
    assert told["rising"] == sorted(told["before"], key=float)
    assert (told["falling"], told["sort"]) == (told["rising"][::-1], "descending")
    # The control: a page that asks another host, or fails, is heard of.
    broken = page.replace("<script>", '<img src="http://example.com/x.png"><script>missing();', 1)
    assert "missing is not defined" in shown(chromium, tmp_path, broken)[1]


def test_page_names_nothing_outside_itself(page: str) -> None:
    assert set(re.findall(r"""(?:src|href|action)=["']?([^"' >]*)""", page)) == {"data:,"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)


@pytest.mark.parametrize(("scheme", "is_dark"), [(DARK, True), (LIGHT, False)])
def test_page_follows_the_readers_scheme(chromium: str, page: str, tmp_path: Path, scheme: int, is_dark: bool) -> None:
    told, _ = shown(chromium, tmp_path, page, scheme=scheme)
    channels = [int(value) for value in re.findall(r"\d+", told["paper"])]
    assert (sum(channels) < 3 * 64) is is_dark


def test_page_fits_a_telephone(chromium: str, page: str, tmp_path: Path) -> None:
    told, _ = shown(chromium, tmp_path, page, width=360)
    assert told["width"] <= 360
    assert told["wide"] <= 0
    # The control: something that is wider than the screen is seen.
    wide = page.replace("<h1>", '<div style="width:600px">wide</div><h1>', 1)
    assert shown(chromium, tmp_path, wide, width=360)[0]["wide"] > 0


def test_text_of_a_run_is_escaped(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", activity(session(1)), profile="<script>alert(1)</script>")
    out = tmp_path / "out.html"
    renamed = folder.rename(tmp_path / "<b>run")
    assert hotrow("diagnose", str(renamed), "--html", str(out), "--fail-on", "never").returncode == 0
    assert "<b>run" not in out.read_text()
