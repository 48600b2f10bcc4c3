"""Find a registered model in MLflow's database file, because importing MLflow takes seconds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import yaml

from tasks.tracking.databases import check_databases
from tasks.tracking.mlflow_reads import read_rows
from tasks.tracking.outcome import CHAMPION
from vocabsem.errors import BadInput
from warehouse.home import Home

Version = tuple[str, str, str | None, str, str]  # name, version, alias, source, where its files are


@dataclass(frozen=True)
class RegisteredClassifier:
    """A version of a registered model: its files are at `source`; `config` is that of `packaged_classifier`."""

    name: str
    version: str
    source: str
    config: dict[str, Any]
    folder: Path
    """Of its files: MLflow loads them from there, while by its name it also writes there, which a home may forbid."""
    classifier: Path
    """The folder in it that `packaged_classifier` made."""

    @property
    def takes_device(self) -> bool:
        """Whether the code that is stored with it can be given a device."""
        stored = yaml.safe_load((self.folder / "MLmodel").read_text())
        return "device" in (stored["flavors"]["python_function"].get("config") or {})


def find_classifier(home: Home, model: str) -> RegisteredClassifier:
    """Find a registered model by `name@alias`, `name/version`, or `name` alone for its champion. Raises BadInput."""
    versions = _versions(home)
    name, slash, number = model.partition("/")
    if slash:
        matching = [each for each in versions if each[:2] == (name, number)]
    else:
        name, _, alias = model.partition("@")
        matching = [each for each in versions if (each[0], each[2]) == (name, alias or CHAMPION)]
    if not matching:
        known = [f"{name}@{alias}" for name, _, alias, *_ in versions if alias]
        what = f"no model {model!r} is" if model else "name a model"
        raise BadInput(
            f"{what} registered in {home.root}: there are {', '.join(known) or 'none yet'};"
            " an experiment with 'champion: true' registers one for each data set"
        )
    name, number, _, source, location = matching[0]
    folder = _within(home, Path(url2pathname(urlparse(location).path)))
    try:
        (config,) = folder.glob("artifacts/*/config.json")
        content = json.loads(config.read_text())
    except (OSError, ValueError):
        raise BadInput(
            f"the files of {name}/{number} are gone from {home.artifacts}: put them back, or delete this version in"
            " MLflow and the run's folder in the lake, and run the experiment again"
        ) from None
    return RegisteredClassifier(name, number, source, content, folder, config.parent)


def _within(home: Home, folder: Path) -> Path:
    """Return the present path of artifacts of the home, which MLflow has by the path at which they were stored."""
    name, parts = home.artifacts.name, folder.parts
    if name in parts:
        at = len(parts) - parts[::-1].index(name)
        if (moved := home.artifacts.joinpath(*parts[at:])).exists():
            return moved
    return folder


def _versions(home: Home) -> list[Version]:
    """Return every version by each alias."""
    check_databases(home, "mlflow")
    return read_rows(home, "registered")
