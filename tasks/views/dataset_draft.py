"""A file of labeled texts to the card of a data set, with label words that the model's own states propose."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.models.loaded import inference, loaded
from vocabsem.anchors import semantic_anchors
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.devices import resolve_device, resolve_dtype
from vocabsem.errors import DataError
from vocabsem.examples import read_examples
from vocabsem.extraction import extract
from vocabsem.label_proposals import propose_words
from vocabsem.label_tokens import label_tokens
from vocabsem.prompting import encode_prompts, encode_texts
from vocabsem.shots import choose_shots
from vocabsem.sources.readers import read_columns
from warehouse.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
MOST_CLASSES = 100
LEAST_ROWS = 3  # of a class: one each for training, validation and testing
MOST_ROWS = 512  # that go through the model, as many of each class
PER_CLASS = 32
MOST_TOKENS = 128  # of a prompt: enough to know what it is about
SHOWN = 3


@dataclass(frozen=True)
class Draft:
    """A data set that no card describes yet."""

    name: str
    path: Path
    format: str
    columns: tuple[str, str]
    """Of the texts, of the labels."""
    texts: list[str]
    labels: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each class, numbers in their order."""
        return dict(sorted(Counter(self.labels).items(), key=lambda item: (_number(item[0]), item[0])))

    @property
    def template(self) -> str:
        text, label = (re.sub(r"([{}])", r"\1\1", name.strip()) for name in self.columns)
        return f'{text}: "{{text}}"\n{label}:'

    def card(self, words: list[str]) -> dict[str, Any]:
        """What `data/datasets/*.yaml` would hold, with a word for each class."""
        return {
            "name": self.name,
            "description": f"{len(self.texts):,} rows of {self.path.name}",
            "license": "not stated",
            "files": {"all": f"file:{self.path}"},
            "format": self.format,
            "fields": {"text": self.columns[0]},
            "label_column": self.columns[1],
            "labels": [{"name": n, "value": n, "word": w} for n, w in zip(self.counts, words, strict=True)],
            "template": self.template,
            "split": {"test": 0.2, "validation": 0.1, "seed": 42},
        }


def read_draft(home: Home, path: Path, text: str, label: str, name: str) -> Draft:
    """The rows of a CSV or JSON-lines file. Raises DataError for what could never become a data set."""
    if not path.is_file():
        raise DataError(f"there is no file {path}: give the path of a CSV or JSON-lines file")
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise DataError(f"{path} ends in {path.suffix!r}: name it by what it is, one of {', '.join(FORMATS)}")
    if text == label:
        raise DataError(f"column {text!r} is given as text and as label: --text and --label name two columns")
    try:
        with path.open(encoding="utf-8") as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from None
    bare: dict[str, Any] = {
        "name": name,
        "format": form,
        "files": {"all": ""},
        "fields": {"text": text},
        "label_column": label,
    }
    columns = read_columns(DatasetCard.model_construct(**bare), {"all": path}, home.cache / "datasets")["all"]
    draft = Draft(name, path.absolute(), form, (text, label), columns[text], columns[label])
    _check(draft)
    return draft


def _check(draft: Draft) -> None:
    (text, label), counts = draft.columns, draft.counts
    for column, values in ((text, draft.texts), (label, draft.labels)):
        empty = [row for row, value in enumerate(values) if not value.strip()]
        if empty:
            raise DataError(
                f"row {empty[0]} of {draft.path} has an empty {column!r}, as {len(empty)} of {len(values)} rows have:"
                " fill them in or take them out"
            )
    if "label" in counts:
        raise DataError(f"class 'label' of {draft.path} has the name of the column of answers: call it otherwise")
    near: dict[str, str] = {}
    for name in counts:
        if (other := near.setdefault(" ".join(name.split()), name)) != name:
            raise DataError(
                f"classes {other!r} and {name!r} of {draft.path} differ by white space only: write them alike"
            )
    if len(counts) < 2:
        only = next(iter(counts))
        raise DataError(f"column {label!r} of {draft.path} has only class {only!r}: give rows of at least two classes")
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"column {label!r} of {draft.path} has {len(counts)} different values, more than {MOST_CLASSES}: is it the"
            " column of the classes? Give another as --label, or merge classes"
        )
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < LEAST_ROWS:
        raise DataError(
            f"class {rarest!r} of {draft.path} has fewer than {LEAST_ROWS} rows, {counts[rarest]}: training, validation"
            " and testing need one each: add rows, merge it with another class, or take it out"
        )


def propose(home: Home, model: ModelCard, draft: Draft) -> tuple[list[str], list[tuple[str, str]]]:
    """A label word for each class, and some prompts, each with its class: the model reads some training rows once.

    Raises LabelWordError for a word that is no single token of the model, DataError for a class without training rows.
    """
    names = list(draft.counts)
    texts, labels = _training_rows(home, draft)
    per_class = min(PER_CLASS, max(1, MOST_ROWS // len(names)))
    rows = choose_shots(labels, per_class, 0, len(names), on_insufficient="use_all")
    with inference():
        network = loaded(model, home, resolve_dtype("auto"), resolve_device())
        prompts = encode_prompts(
            network.tokenizer,
            draft.template,
            [{"text": texts[row]} for row in rows],
            max_tokens=min(MOST_TOKENS, model.max_tokens),
            prepend_bos=model.prepend_bos,
        )
        states = extract(network, prompts.token_ids, [model.layers])[model.layers]  # (N, d)
    means = np.stack([states[labels[rows] == c].mean(axis=0) for c in range(len(names))])
    head = network.head
    anchors = semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors.float().numpy()
    words = propose_words(names, means, anchors, _words(network.tokenizer, head.tokens))
    label_tokens(network.tokenizer, words, dataset=draft.name)
    shown = [(text, names[labels[row]]) for text, row in zip(prompts.texts, rows, strict=True)]
    return words, shown[:SHOWN]


def _training_rows(home: Home, draft: Draft) -> tuple[list[str], np.ndarray]:
    """Texts and labels (N,) of the rows that the card will train on: words chosen by test rows would flatter."""
    names = list(draft.counts)
    card = DatasetCard.model_validate(draft.card(names))
    examples = read_examples(card, {"all": draft.path}, limits={}, seed=0, cache=home.cache / "datasets")
    train = np.flatnonzero(np.array(examples.split) == "train")
    labels = examples.labels[train]
    if missing := set(range(len(names))) - set(labels.tolist()):
        raise DataError(
            f"class {names[min(missing)]!r} of {draft.path} has no training rows left once repeated texts are removed:"
            " add rows, merge it with another class, or take it out"
        )
    return [examples.fields[row]["text"] for row in train], labels


def _words(tokenizer: "PreTrainedTokenizerBase", tokens: int) -> dict[str, int]:
    """The words that are single tokens where a label word stands, after a colon and a space, with their tokens."""
    texts = tokenizer.batch_decode([[token] for token in range(tokens)])
    words = sorted({word for text in texts if (word := text.lstrip(" Ġ▁")).isalpha()})  # Ġ, ▁: marks of a space
    before, *encoded = encode_texts(tokenizer, [":", *(f": {word}" for word in words)], split_special_tokens=False)
    return {word: ids[-1] for word, ids in zip(words, encoded, strict=True) if ids[:-1] == before}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")
