"""A language model and a fitted method as a classifier of texts, read from the folder that a pipeline has written."""

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import safe_open

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import DataError, SourceError
from vocabsem.methods.base import Method
from vocabsem.methods.persistence import FIX, from_arrays
from vocabsem.models.language_model import LanguageModel, load_model
from vocabsem.prompts.chunking import ChunkedPrompts, encode_chunks
from vocabsem.prompts.prompting import validate_row
from vocabsem.states.extraction import extract
from vocabsem.states.word_scores import score_words

__all__ = ["TextClassifier", "answer_column", "read_classifier"]

Answer = Literal["label", "labels", "value"]
ANSWERS: Mapping[str, Answer] = {"multi": "labels", "continuous": "value"}

AGAIN = "run its experiment again (`vocabsem run CARD`), which fits and registers another"
SETTINGS = ("dtype", "max_tokens", "prepend_bos", "shard_rows")
OF_STATES = ("layers", "pooling")  # settings of classifiers that read states; others have "words", tokens of each


def answer_column(config: Mapping[str, Any]) -> Answer:
    """Return what the column of predictions is called.

    Parameters
    ----------
    config : mapping
        Of a classifier; one that an earlier version has stored names no kind of labels and has one a text.

    Returns
    -------
    {"label", "labels", "value"}

    Examples
    --------
    >>> answer_column({"label_kind": "multi"}), answer_column({"label_kind": "continuous"}), answer_column({})
    ('labels', 'value', 'label')
    """
    return ANSWERS.get(config.get("label_kind", ""), "label")


def read_classifier(folder: Path) -> tuple[dict[str, Any], ModelCard, Method]:
    """Read all of a classifier but its language model.

    Parameters
    ----------
    folder : Path
        As of `TextClassifier`.

    Returns
    -------
    config : dict
        Its settings.
    card : ModelCard
        Of its language model.
    method : Method
        As it was fitted.

    Raises
    ------
    DataError
        For one that another version has stored in a form that this one cannot read.

    Examples
    --------
    >>> config, card, method = read_classifier(Path("exported"))  # doctest: +SKIP
    """
    config = json.loads((folder / "config.json").read_text())
    with safe_open(folder / "calibrator.safetensors", framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        estimator = json.loads(file.metadata()["estimator"])
    source = folder / "method.py"
    try:
        settings = config["settings"]
        needed = [*SETTINGS, *(() if "words" in settings else OF_STATES)]
        if lacking := sorted(set(needed) - set(settings)):
            raise DataError(f"its settings lack {', '.join(lacking)}")
        card = ModelCard.model_validate(config["model"])
        return config, card, from_arrays(arrays, estimator, source if source.is_file() else None)
    except ValidationError as error:
        (first, *_) = error.errors()
        reason = f"the card of its model: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    except DataError as error:
        reason = str(error).removesuffix(f": {FIX}")
    raise DataError(f"the classifier of dataset {config['dataset']!r} cannot be read ({reason}): {AGAIN}")


class TextClassifier:
    """A language model and a fitted method, with the settings of the experiment that chose it.

    Parameters
    ----------
    folder : Path
        With config.json, calibrator.safetensors, and method.py for a method from beside a card, whose code is run.
    device : str
        Of the language model, as `load_model` takes it.

    Attributes
    ----------
    config : dict
        Model, template, fields, labels and settings.
    fields : list of str
        Of the template.
    labels : list of str
        The names of the C classes.
    answer : {"label", "labels", "value"}
        What is predicted of a text: one class, any number of them, or a number.

    Raises
    ------
    SourceError
        Where the language model has other bytes than it had when the method was fitted.
    DataError
        For a classifier that another version has stored in a form that this one cannot read.

    Examples
    --------
    >>> classifier = TextClassifier(Path("exported"))  # doctest: +SKIP
    >>> classifier.predict([{"text": "a gorgeous, witty movie"}])  # doctest: +SKIP
    {'label': ['positive'], 'negative': array([0.04]), 'positive': array([0.96])}
    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.config, card, self._method = read_classifier(folder)
        self.fields: list[str] = self.config["fields"]
        self.labels: list[str] = self.config["labels"]
        self.answer = answer_column(self.config)
        self._turn = threading.Lock()  # a server answers in several threads, and a tokenizer serves one at a time
        self._card = card
        self._model = load_model(card, self._cache(), dtype=self.config["settings"]["dtype"], device=device)
        if self._model.digest != self.config["digest"]:
            raise SourceError(
                f"{card.source} is not the model that the classifier of {self.config['dataset']!r} was fitted on:"
                f" its digest is {self._model.digest[:12]}, then {self.config['digest'][:12]}: {AGAIN}"
            )

    def predict(
        self, rows: Iterable[Mapping[str, str]], numbers: Sequence[object] | None = None, *, truncate: bool = True
    ) -> dict[str, Any]:
        """Return the answers to N texts, by the name of their column.

        Parameters
        ----------
        rows, numbers, truncate
            As of `predict_proba`, which also documents the errors.

        Returns
        -------
        dict of str to list or ndarray
            Under `answer` what `decide` returns, then under the name of each class its probabilities (N,), float64; of
            numbers `value` alone, (N,), float64.
        """
        if self.answer == "value":
            with self._turn:
                return {self.answer: self._method.predict(self._columns(rows, numbers, truncate))}
        probabilities = self.predict_proba(rows, numbers, truncate=truncate)
        return {self.answer: self.decide(probabilities), **dict(zip(self.labels, probabilities.T, strict=True))}

    def predict_proba(
        self, rows: Iterable[Mapping[str, str]], numbers: Sequence[object] | None = None, *, truncate: bool = True
    ) -> NDArray[np.float64]:
        """Return the probabilities of N texts.

        Texts go through the model in the shards of the experiment, so that the texts of a stored split, in their order,
        meet the same batches and get the same probabilities; in bfloat16 others differ by its rounding.

        Parameters
        ----------
        rows : iterable of mappings of str to str
            Field → text, for every field of the template; other keys are ignored.
        numbers : sequence, optional
            What the rows are called in messages, by default by their number from 0.
        truncate : bool
            Whether a text over the limit of the experiment loses its end, or is refused.

        Returns
        -------
        ndarray of shape (N, C), float64

        Raises
        ------
        DataError
            For a text that is missing, empty, or too long, and of a method that predicts numbers.
        """
        with self._turn:
            return self._method.predict_proba(self._columns(rows, numbers, truncate))

    def decide(self, probabilities: NDArray[np.float64]) -> list[str] | list[list[str]]:
        """Return what is predicted of texts with these probabilities.

        Parameters
        ----------
        probabilities : ndarray of shape (N, C)
            As `predict_proba` returns them.

        Returns
        -------
        list of str, or list of list of str
            The most probable class of each text; where texts have any number of labels, those whose probability
            reaches the threshold that the method has learned for them, in the order of `labels`.
        """
        if self.answer == "label":
            return [self.labels[index] for index in probabilities.argmax(axis=1)]
        reached = probabilities >= self._method.thresholds_
        return [[self.labels[index] for index in np.flatnonzero(row)] for row in reached]

    def _columns(
        self, rows: Iterable[Mapping[str, str]], numbers: Sequence[object] | None, truncate: bool
    ) -> NDArray[np.float32]:
        """Return what the method reads of N texts, a row each."""
        given, settings = list(rows), self.config["settings"]
        named = range(len(given)) if numbers is None else numbers
        chunked = self._prompts([validate_row(row, self.fields, n) for n, row in zip(named, given, strict=True)])
        if chunked.truncated.any() and not truncate:
            number, limit = named[int(chunked.truncated.argmax())], settings["max_tokens"]
            several = f" in each of {chunks} prompts" if (chunks := settings.get("max_chunks", 1)) > 1 else ""
            raise DataError(f"row {number} is over {limit} tokens with its template{several}: shorten it, or truncate")
        borders, width = [0, *chunked.sizes.cumsum().tolist()], self._method.n_features_in_
        if len(borders) == 1:
            return np.empty((0, width), np.float32)
        parts = []
        for start in range(0, len(chunked.sizes), settings["shard_rows"]):
            stop = min(start + settings["shard_rows"], len(chunked.sizes))
            parts.append(self._read(chunked.prompts.token_ids[borders[start] : borders[stop]]))
        return chunked.average(np.concatenate(parts))[:, -width:]  # a method of one layer reads the last

    def _prompts(self, rows: list[dict[str, str]]) -> ChunkedPrompts:
        settings = self.config["settings"]
        return encode_chunks(
            self._model.tokenizer,
            self.config["template"],
            rows,
            max_chunks=settings.get("max_chunks", 1),
            max_tokens=settings["max_tokens"],
            prepend_bos=settings["prepend_bos"],
            special_tokens=self._card.adds_special_tokens,
            chat=self._card.conversation,
        )

    def _read(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return what the method reads of N prompts: states (N, k·d), or log P(word | prompt) of W words (N, W)."""
        settings = self.config["settings"]
        if words := settings.get("words"):
            assert isinstance(self._model, LanguageModel)  # others are not scored so
            return score_words(self._model, token_ids, words).astype(np.float32)
        states = extract(self._model, token_ids, settings["layers"], pooling=settings["pooling"])
        return np.concatenate(list(states.values()), axis=1)

    def _cache(self) -> Path:
        """Return the folder of downloads of the named home; with none named, of the home that made the model."""
        home, made = os.environ.get("VOCABSEM_HOME"), Path(self.config["cache"])
        home = None if home and "://" in home else home  # a bucket, whose downloads are of this machine
        return made if home is None and made.is_dir() else Path(home or ".vocabsem").expanduser().absolute() / "cache"
