"""Measurements of this machine, each beside a baseline or a limit of the same run; nothing is asserted about time.

Every other file is a subject: its `measure(setting)` yields rows, `python -m benchmarks --only SUBJECT` prints them.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.home import Home

if TYPE_CHECKING:
    from vocabsem.models.language_model import LanguageModel

MODEL = "smollm2-135m-instruct"


@dataclass(frozen=True)
class Row:
    """One comparison: `ours` and `theirs` in the same unit, seconds where less is wanted, a rate where more is."""

    name: str
    ours: float
    baseline: str
    theirs: float
    unit: str
    wanted: str
    """What the ratio ours / theirs should be: `≥ 10`, `≤ 1.15`; empty for a figure that is only reported."""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        sign, _, bound = self.wanted.partition(" ")
        return not sign or (self.ratio >= float(bound) if sign == "≥" else self.ratio <= float(bound))


@dataclass(frozen=True)
class Setting:
    """What all subjects share: the home whose cache holds the model, and real texts to run it on."""

    home: Home
    dataset: str = "rotten_tomatoes"
    data_dir: Path | None = None
    card: str = ""
    """The experiment whose overhead is measured, whole; without one quickstart on `dataset`."""

    @cached_property
    def model(self) -> "LanguageModel":
        """The default model in the dtype that suits this machine."""
        from vocabsem.cards.loader import load_card
        from vocabsem.models.language_model import load_model

        return load_model(load_card("models", MODEL), self.home.cache)

    def share_cache(self, folder: str) -> None:
        """Let a temporary home in `folder` keep models and data where this one does."""
        self.home.cache.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "cache").symlink_to(self.home.cache.resolve())

    def words(self, **changes: object) -> list[str]:
        """Return arguments of a `vocabsem` command on this data set, with `changes` to its experiment card."""
        settings = [f"{name}={json.dumps(value)}" for name, value in ({"datasets": [self.dataset]} | changes).items()]
        data = ["--data-dir", str(self.data_dir)] if self.data_dir else []
        return [*data, *(word for setting in settings for word in ("--set", setting))]

    def texts(self, rows: int) -> list[str]:
        """Return the first test texts of the data set as zero-shot prompts."""
        return self._encoded(rows)[1]

    def prompts(self, rows: int) -> list[list[int]]:
        """Return the token ids of `texts`."""
        return self._encoded(rows)[0]

    def _encoded(self, rows: int) -> tuple[list[list[int]], list[str]]:
        from vocabsem.cards.loader import load_card
        from vocabsem.datasets.examples import read_examples
        from vocabsem.prompts.prompting import encode_prompts
        from vocabsem.sources.readers import fetch_files

        card = load_card("datasets", self.dataset).located(self.data_dir)
        limits = {"train": 64, "validation": None, "test": rows}
        files = fetch_files(card, self.home.cache)
        examples = read_examples(card, files, limits=limits, cache=self.home.cache / "datasets")
        fields = [row for row, split in zip(examples.fields, examples.split, strict=True) if split == "test"]
        encoded = encode_prompts(self.model.tokenizer, card.template, fields, max_tokens=512, prepend_bos=False)
        return encoded.token_ids, encoded.texts


def best_of(runs: int, *works: Callable[[], object]) -> list[float]:
    """Return the seconds of the fastest of `runs` of each work: the one the machine's other users disturbed least.

    The works take turns, so that a slow minute of the machine is shared by all of them.
    """
    times: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, seconds in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return [min(seconds) for seconds in times]
