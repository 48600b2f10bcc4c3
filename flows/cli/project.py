"""Command that makes a project: a folder of the user's own cards, in which every command works."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
import yaml

from flows.cli.app import app
from vocabsem.cards.folders import CARDS, OWN
from vocabsem.errors import BadInput

README = Path(__file__).parent / "templates" / "README.md"
EXAMPLE = "quickstart"  # the shipped card that a project begins with
IGNORED = ".vocabsem/\n"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make, or . for the one you are in.")],
) -> None:
    """Make a project of your own: a folder with an experiment card, prefect.yaml, .gitignore and README."""
    name = _name_of(folder)
    for file, text in _files(name).items():
        path = folder / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as new:
                new.write(text)
            typer.echo(f"written: {path}")
        except FileExistsError:
            needed = "" if file != ".gitignore" or IGNORED in path.read_text() else f", add {IGNORED.strip()} to it"
            typer.echo(f"kept:    {path}{needed}")
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error.strerror}: choose another folder") from None
    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    typer.echo(f"next:    {enter}vocabsem run {name}")


def _name_of(folder: Path) -> str:
    """Return the folder's name in letters that an experiment's may have, and that YAML reads as text: not `2026`."""
    name = re.sub(r"[^a-z0-9_-]+", "_", folder.resolve().name.lower()).strip("_-") or "mine"
    return name if yaml.safe_load(name) == name else f"project_{name}"


def _files(name: str) -> dict[str, str]:
    """Return the files of a project, by their paths in it."""
    from flows.services.servers import DEPLOYMENTS

    card = (CARDS / "experiments" / f"{EXAMPLE}.yaml").read_text("utf-8")
    schema = f"# yaml-language-server: $schema={CARDS / 'schemas' / 'experiments.json'}\n"
    card = re.sub(r"\A(#.*\n)*", f"{schema}# The shipped card {EXAMPLE}, to be changed.\n", card)
    return {
        f"{OWN}/experiments/{name}.yaml": re.sub(rf"^name: {EXAMPLE}$", f"name: {name}", card, flags=re.MULTILINE),
        DEPLOYMENTS.name: DEPLOYMENTS.read_text("utf-8").replace(EXAMPLE, name),
        ".gitignore": IGNORED,
        "README.md": README.read_text("utf-8").replace("{name}", name),
    }
