"""The command line in a process of its own, as a user runs it; what it imports is imported once, by the server that
forks it."""

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tests.tasks.worlds  # noqa: F401  # before Prefect is imported: it sets the level of Prefect's own log
from tests.conftest import ROOT

PRELOAD = [
    "tests.flows.command",
    "flows.cli.command_line",
    "flows.pipeline",
    "flows.cli.leaderboard_view",
    "warehouse.catalog.export",
]
PRELOAD += ["datasets", "transformers.models.llama.modeling_llama", "mlflow.pyfunc", "vocabsem.methods"]
PRELOAD += ["mlflow.store.tracking.sqlalchemy_store", "flows.reporting.svg", "sklearn.cluster", "alembic.command"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOAD)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Command:
    """`vocabsem --home HOME WORDS`, begun; `before`, which pickles, is called in its process first."""

    def __init__(self, home, *words, api=None, stdin="", before=None):
        self.folder = TemporaryDirectory(prefix="command-")
        for name in ("stdin", "stdout", "stderr"):  # a kill may come before the process opens them
            (Path(self.folder.name) / name).write_text(stdin if name == "stdin" else "", errors="surrogateescape")
        environment = {"PREFECT_API_URL": api} if api else {}
        if auth := os.environ.get("PREFECT_API_AUTH_STRING"):
            environment["PREFECT_API_AUTH_STRING"] = auth
        arguments = (["--home", str(home.root), *map(str, words)], self.folder.name, environment, before)
        self.process = _context.Process(target=_main, args=arguments, daemon=True)
        self.process.start()

    def wait(self, timeout=1800):
        self.process.join(timeout)
        assert self.process.exitcode is not None, "it did not end"
        out, err = ((Path(self.folder.name) / name).read_text() for name in ("stdout", "stderr"))
        self.folder.cleanup()
        return Done(self.process.exitcode, out, err)


def command(home, *words, **options):
    return Command(home, *words, **options).wait()


def _main(words, folder, environment, before):
    from flows.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in its background
    os.dup2(os.open(f"{folder}/stdin", os.O_RDONLY), 0)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv[1:] = words
    if before:
        before()
    main()
