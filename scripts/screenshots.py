"""Take pictures of a finished experiment, in a terminal and on pages: `screenshots.py --home HOME`."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from flows.services.access import basic, link
from warehouse.home import Home

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the pages ask hosts that count their users
)
SIZE = (1400, 900)
COLUMNS, LETTER = 80, (10, 20)  # of the terminal; pixels of a letter, at most
TRAINING = "workflowType=machine_learning"
LOADING = 20_000  # milliseconds of the page's own time until the picture is taken
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy: it is this machine


def picture(url: str, file: Path, height: int = SIZE[1], width: int = SIZE[0]) -> None:
    """Write what a new browser shows of a page."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"no browser is installed: looked for {', '.join(BROWSERS)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        how = [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--virtual-time-budget={LOADING}"]
        subprocess.run([program, *OPTIONS, *how, f"--screenshot={file}", url], check=True, capture_output=True)
    sys.stdout.write(f"{file} ({file.stat().st_size / 1000:.0f} kB)\n")


def post(home: Home, url: str, body: Any) -> Any:
    headers = {"content-type": "application/json", "authorization": f"Basic {basic(home)}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with DIRECT.open(request, timeout=30) as response:
        return json.load(response)


@contextlib.contextmanager
def servers(home: Path) -> Iterator[dict[str, str]]:
    """Yield the addresses of the home's Prefect API and of MLflow, which `vocabsem up` serves if they do not run."""
    record = home / "servers.json"
    if record.exists():
        yield json.loads(record.read_text())
        return
    with subprocess.Popen([sys.executable, "-m", "flows.cli.main", "up", "--home", str(home)], cwd=ROOT) as up:
        try:
            while not record.exists():
                if up.poll() is not None:
                    raise SystemExit("vocabsem up ended")
                time.sleep(0.5)
            yield json.loads(record.read_text())
        finally:
            up.terminate()


def prefect_pages(home: Home, api: str, folder: Path) -> None:
    """Picture the pipeline run that took longest, and the summary it left."""
    completed = {"flows": {"name": {"any_": ["pipeline"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    run = max(post(home, f"{api}/flow_runs/filter", completed), key=lambda run: run["total_run_time"])["id"]
    left = {"artifacts": {"type": {"any_": ["markdown"]}, "flow_run_id": {"any_": [run]}}}
    (summary,) = post(home, f"{api}/artifacts/filter", left)
    site = api.removesuffix("/api")
    picture(link(home, f"{site}/runs/flow-run/{run}"), folder / "prefect-run.png")
    picture(link(home, f"{site}/artifacts/artifact/{summary['id']}"), folder / "prefect-summary.png", 1250)


def mlflow_page(home: Home, site: str, folder: Path) -> None:
    """Picture the newest run of an experiment: its headline, its source, its children."""
    api = f"{site}/ajax-api/2.0/mlflow"
    experiments = post(home, f"{api}/experiments/search", {"max_results": 100})["experiments"]
    wanted = {"experiment_ids": [one["experiment_id"] for one in experiments], "max_results": 1}
    wanted |= {"filter": "tags.vocabsem.key != ''", "order_by": ["attributes.start_time DESC"]}
    (run,) = post(home, f"{api}/runs/search", wanted)["runs"]
    page = f"{site}/#/experiments/{run['info']['experiment_id']}/runs/{run['info']['run_id']}?{TRAINING}"
    picture(link(home, page), folder / "mlflow-run.png", width=1800)  # a new browser is shown the assistant too


def terminal(home: Path, folder: Path) -> None:
    """Picture a leaderboard in a terminal of 80 columns."""
    words = ["leaderboard", _newest(home), "--dataset", "rotten_tomatoes"]
    printed = Text.from_ansi(_vocabsem(home, *words, FORCE_COLOR="1", COLUMNS=str(COLUMNS)))
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(f"$ vocabsem {' '.join(words)}", printed, sep="\n")
    with tempfile.TemporaryDirectory() as pages:
        page = Path(pages) / "terminal.html"
        page.write_text(console.export_html(inline_styles=True, theme=MONOKAI), encoding="utf-8")
        lines = 2 + printed.plain.count("\n")
        picture(page.as_uri(), folder / "terminal.png", LETTER[1] * lines + 40, LETTER[0] * COLUMNS + 30)


def own_pages(home: Path, folder: Path) -> None:
    """Picture the report of the newest experiment, and the lens on a review."""
    review = ["a gorgeous, witty, seductive movie", "--dataset", "rotten_tomatoes"]
    with tempfile.TemporaryDirectory() as pages:
        for name, words, height in (("report", ["report", _newest(home)], 1900), ("lens", ["lens", *review], 1250)):
            file = Path(pages) / f"{name}.html"
            _vocabsem(home, *words, "--output", str(file))
            picture(file.as_uri(), folder / f"{name}.png", height)


def _newest(home: Path) -> str:
    statement = "select experiment from runs order by created desc limit 1"
    (newest,) = json.loads(_vocabsem(home, "sql", statement, "--format", "json"))
    return str(newest["experiment"])


def _vocabsem(home: Path, *words: str, **environment: str) -> str:
    command = [sys.executable, "-m", "flows.cli.main", "--home", str(home), *words]
    whole = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="a home with a finished experiment")
    parser.add_argument("--own", action="store_true", help="only our own pages, which need no server")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="where the pictures go")
    given = parser.parse_args()
    terminal(given.home.absolute(), given.out)
    own_pages(given.home.absolute(), given.out)
    if not given.own:
        with servers(given.home.absolute()) as addresses:
            prefect_pages(Home.find(given.home), addresses["prefect"], given.out)
            mlflow_page(Home.find(given.home), addresses["mlflow"], given.out)
