"""Commands to continue with after a run, as typed in the user's working directory."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.tracking.outcome import CHAMPION, Registration, registered_name
from warehouse.catalog import reads
from warehouse.home import Home

COMMAND = "vocabsem"
LONGEST = 70  # characters of an example text


def next_steps(
    home: Home, experiment: str, datasets: Sequence[str], registered: Sequence[Registration], given_home: str | None
) -> list[tuple[str, str]]:
    """Return commands with what each does.

    datasets: of the run. registered: what it registered; offered is the champion, whichever run it is of. given_home:
    what --home was given in this call, if it was.
    """
    names = {registration.name for registration in registered}
    texts = ((dataset, example_text(home, dataset)) for dataset in datasets if registered_name(dataset) in names)
    steps = [
        (["predict", "--model", f"{registered_name(dataset)}@{CHAMPION}", text], f"classify a text, here of {dataset}")
        for dataset, text in texts
        if text
    ][:1]
    steps.append((["report", experiment, "--output", f"{experiment}.html"], "all results on one page"))
    steps.append((["up"], "the Prefect and MLflow servers"))
    return [(as_typed(words, given_home), description) for words, description in steps]


def as_typed(words: Sequence[str], given_home: str | None) -> str:
    """Return a command line for the shell that this process was started from, in bash and zsh alike."""
    home = ["--home", given_home] if given_home else []
    return f"{program()} {shlex.join([*words, *home])}"


def program() -> str:
    """Return how this process was started: by name where PATH has it, by its path from here, or by module."""
    started = Path(sys.argv[0])
    if started.name in ("main.py", "__main__.py"):
        return f"{shlex.quote(os.path.relpath(sys.executable))} -m vocabsem"
    on_path = shutil.which(COMMAND)
    if started.name != COMMAND or (on_path and Path(on_path).resolve() == started.resolve()):
        return COMMAND
    near = os.path.relpath(started)
    path = str(started.absolute()) if near.startswith("..") else near
    return shlex.quote(path if os.sep in path else f".{os.sep}{path}")


def example_text(home: Home, dataset: str) -> str | None:
    """Return a text of a data set, whole words of its beginning; None where its prompts have several fields."""
    fields = reads.short_example(home, dataset)
    if fields is None or len(fields) != 1:
        return None
    text = " ".join(next(iter(fields.values())).split())
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] or text[:LONGEST]
