"""Take pictures of the pages of a finished experiment, Prefect's, MLflow's and ours: `screenshots.py --home HOME`.

A headless Chromium is driven over its DevTools protocol, so that a picture is taken when the page shows what it should.
Exits with 1 if a page does not, or raises an error.
"""

import argparse
import base64
import contextlib
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the pages ask hosts that count their users
)
SIZE = (1400, 900)
LAID_OUT_TWICE = "ResizeObserver loop"  # the browser's own complaint, on a busy machine; no error of the page
PATIENCE = 60.0  # seconds for a page to show what it should; MLflow's takes 5 on a quiet machine
GREEN = (35, 160, 80)  # of a completed run in Prefect's graph
SETTLING = 2.0  # seconds for curves to be drawn and animations to end after that
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is this machine: no proxy is asked


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310  # http alone
    with DIRECT.open(request, timeout=30) as response:
        return json.load(response)


@contextlib.contextmanager
def servers(home: Path) -> Iterator[dict[str, str]]:
    """Addresses of the home's Prefect API and of MLflow: those that run, or `vocabsem up` for the time of the block."""
    record = home / "servers.json"
    if record.exists():
        yield json.loads(record.read_text())
        return
    command = [sys.executable, "-m", "flows.cli.main", "up", "--home", str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as up:
        try:
            while not record.exists():
                if up.poll() is not None:
                    raise SystemExit("vocabsem up ended; what it said stands above")
                time.sleep(0.5)
            yield json.loads(record.read_text())
        finally:
            up.terminate()


@dataclass
class Page:
    """A tab of the browser."""

    socket: ClientConnection
    session: str
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Addresses of all requests."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "sessionId": self.session, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(timeout=PATIENCE))).get("id") != number:
            self._hear(message)
        if "error" in message:
            raise SystemExit(f"{method}: {message['error']['message']}")
        return dict(message["result"])

    def _hear(self, message: dict[str, Any]) -> None:
        what = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = what["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif message.get("method") == "Runtime.consoleAPICalled" and what["type"] == "error":
            said = " ".join(str(word.get("value") or word.get("description")) for word in what["args"])
            if LAID_OUT_TWICE not in said:
                self.errors.append(said)
        elif message.get("method") == "Network.requestWillBeSent":
            self.asked.append(what["request"]["url"])

    def js(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def wait(self, condition: str, what: str) -> None:
        """Until the JavaScript condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not self.js(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise SystemExit(f"{what} is not shown after {PATIENCE:g} s: {self.js('location.href')}")
            time.sleep(0.25)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click_text(self, text: str) -> None:
        """Click the innermost element of this text."""
        found = f"[...document.querySelectorAll('body *')].findLast(e => e.textContent.trim() == {text!r})"
        self.wait(found, repr(text))
        box = self.js(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())")
        self.click(*box)

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def png(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def picture(self, file: Path) -> None:
        time.sleep(SETTLING)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.png())
        sys.stdout.write(f"{file} ({file.stat().st_size / 1000:.0f} kB)\n")


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """A tab of a new browser with a profile of its own, which is gone afterwards."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"no browser is installed: looked for {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *QUIET, f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                found = next(filter(None, (re.search(r"ws://\S+", line) for line in process.stderr)), None)
                if found is None:
                    raise SystemExit(f"{program} did not start")
                with connect(found.group(), proxy=None, max_size=None, ping_interval=None) as socket:
                    yield _tab(socket)
            finally:
                process.terminate()


def _tab(socket: ClientConnection) -> Page:
    def call(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(socket.recv(timeout=PATIENCE))).get("id") != number:
            pass
        return dict(message["result"])

    target = call(1, "Target.createTarget", url="about:blank")["targetId"]
    page = Page(socket, call(2, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
    for domain in ("Page", "Runtime", "Network"):
        page.call(f"{domain}.enable")
    page.resize(*SIZE)
    return page


def prefect_pages(page: Page, api: str, folder: Path) -> None:
    """The pipeline run that took longest, with its longest stage opened, and the summary it left."""
    pipelines = {"flows": {"name": {"any_": ["pipeline"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    runs = ask(f"{api}/flow_runs/filter", pipelines)
    if not runs:
        raise SystemExit("no pipeline has completed in this home: run `vocabsem run CARD` first")
    run = max(runs, key=lambda run: run["total_run_time"])
    site = api.removesuffix("/api")
    site += "/v2" if ask(f"{site}/ui-settings").get("default_ui") == "v2" else ""
    page.open(f"{site}/runs/flow-run/{run['id']}")
    page.wait("document.querySelector('canvas')", "the graph of the run")
    time.sleep(SETTLING)
    for label in ("Hide dependency arrows", "Hide events"):
        page.js(f"{_GRAPH_BUTTONS}.at(-1).click()")
        page.click_text(label)
        page.js(f"{_GRAPH_BUTTONS}.at(-1).click()")
        time.sleep(0.5)
    page.click(*_longest_bar(page))
    page.click_text("Subflow Runs")
    page.wait("document.body.innerText.includes('calibrate')", "the list of subflow runs")
    page.picture(folder / "prefect-run.png")

    left = {"artifacts": {"type": {"any_": ["markdown"]}, "flow_run_id": {"any_": [run["id"]]}}}
    (summary,) = ask(f"{api}/artifacts/filter", left)
    page.resize(SIZE[0], 1250)
    page.open(f"{site}/artifacts/artifact/{summary['id']}")
    page.wait("[...document.images].some(i => i.src.startsWith('data:') && i.complete)", "the curve of the summary")
    page.picture(folder / "prefect-summary.png")
    page.resize(*SIZE)


_GRAPH_BUTTONS = """(box => [...document.querySelectorAll('button')].filter(button => {
  const own = button.getBoundingClientRect();
  return own.top > box.top && own.bottom <= box.bottom && own.left > box.left;
}))(document.querySelector('canvas').getBoundingClientRect())"""


def _longest_bar(page: Page) -> tuple[float, float]:
    """Where to click to open it: the graph is drawn on a canvas, so its bars are found by their green."""
    pixels = np.asarray(Image.open(io.BytesIO(page.png())).convert("RGB")).astype(int)
    box = page.js("(r => [r.x, r.y, r.right, r.bottom])(document.querySelector('canvas').getBoundingClientRect())")
    left, top, right, bottom = (round(side) for side in box)
    green = np.abs(pixels[top : bottom - 25, left:right] - GREEN).sum(2) < 45  # without the bar of states below
    row = int(green.sum(1).argmax())
    middle = int(np.median(np.flatnonzero(green.sum(1) > 0.9 * green[row].sum())))
    return left + int(np.flatnonzero(green[middle])[0]) + 14.0, float(top + middle)


def mlflow_page(page: Page, site: str, folder: Path) -> None:
    """The runs of the newest experiment's first data set, best first."""
    found = ask(f"{site}/ajax-api/2.0/mlflow/experiments/search", {"max_results": 100})["experiments"]
    named = [experiment for experiment in found if experiment["name"] != "Default"]
    if not named:
        raise SystemExit("no experiment is recorded in this home: run `vocabsem run CARD` first")
    experiment = max(named, key=lambda experiment: int(experiment["last_update_time"]))["experiment_id"]
    wanted = {"experiment_ids": [experiment], "filter": "params.datasets LIKE '%'", "max_results": 1}
    (parent,) = ask(f"{site}/ajax-api/2.0/mlflow/runs/search", wanted)["runs"]
    datasets = next(p["value"] for p in parent["data"]["params"] if p["key"] == "datasets")
    columns = [f"metrics.`{name}`" for name in ("macro_f1", "macro_f1_low", "macro_f1_high", "accuracy")]
    table = {
        "searchFilter": f'params.dataset = "{json.loads(datasets)[0]}"',
        "orderByKey": "metrics.`macro_f1`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, "params.`label`", "params.`shots`"],
    }
    settings = {
        "mlflow.workflowType_v1": '"machine_learning"',
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
        "mlflow.assistant.panelOpen_v1": "false",
        "mlflow.telemetry.info.alert.dismissed_v1": "true",
        f'MLflowLocalStorage-1.1-ExperimentPage-["{experiment}"]-ReactComponentState': json.dumps(table),
    }
    page.open(f"{site}/version")  # a light page of the same origin, which the browser keeps the settings for
    page.wait("document.body.innerText.length", "MLflow's version")
    for key, value in settings.items():
        page.js(f"localStorage.setItem({json.dumps(key)}, {json.dumps(value)})")
    page.open(f"{site}/#/experiments/{experiment}/runs")
    page.wait("document.body.innerText.includes('matching run')", "the table of runs")
    page.picture(folder / "mlflow-runs.png")


def own_pages(page: Page, home: Path, folder: Path) -> None:
    """The report of the newest experiment, and the lens on a review."""
    asked = ["sql", "select experiment from runs order by created desc limit 1", "--format", "json"]
    (newest,) = json.loads(_vocabsem(home, *asked))
    review = ["a gorgeous, witty, seductive movie", "--dataset", "rotten_tomatoes"]
    with tempfile.TemporaryDirectory() as pages:
        for name, words in {"report": ["report", newest["experiment"]], "lens": ["lens", *review]}.items():
            file = Path(pages) / f"{name}.html"
            _vocabsem(home, *words, "--output", str(file))
            page.resize(SIZE[0], 1250)
            page.open(file.as_uri())
            page.wait("document.querySelector('main')", f"the page of the {name}")
            page.picture(folder / f"{name}.png")
    page.resize(*SIZE)


def _vocabsem(home: Path, *words: str) -> str:
    command = [sys.executable, "-m", "flows.cli.main", "--home", str(home), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="a home with a finished experiment")
    parser.add_argument("--own", action="store_true", help="only our own pages, for which no server is needed")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="where the pictures go")
    wanted = parser.parse_args()
    with browser() as page:
        own_pages(page, wanted.home.absolute(), wanted.out)
        if not wanted.own:
            with servers(wanted.home.absolute()) as addresses:
                prefect_pages(page, addresses["prefect"], wanted.out)
                mlflow_page(page, addresses["mlflow"], wanted.out)
        if page.errors:
            raise SystemExit("the pages raised errors:\n" + "\n".join(page.errors))


if __name__ == "__main__":
    main()
