"""A file of labeled texts to the card of a data set, with label words that the model's own states propose."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasks.models.loaded import inference, loaded_causal, require_causal
from vocabsem.cards.reader_options import Format, ReaderOptions
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.datasets.examples import Division, divide
from vocabsem.datasets.label_values import label_counts, label_text
from vocabsem.datasets.shots import choose_shots
from vocabsem.errors import DataError
from vocabsem.models.language_model import LanguageModel
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import encode_prompts, encode_texts
from vocabsem.prompts.texts import folded, is_empty
from vocabsem.runtime.devices import resolve_device, resolve_dtype
from vocabsem.sources.readers import Part
from vocabsem.sources.tables import format_of
from vocabsem.states.extraction import extract
from vocabsem.vocabulary.anchors import semantic_anchors
from vocabsem.vocabulary.label_proposals import propose_words
from warehouse.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEAST_ROWS = 3  # of a class: one each for training, validation and testing
MOST_ROWS = 512  # that go through the model, as many of each class
PER_CLASS = 32
MOST_TOKENS = 128  # of a prompt: enough to know what it is about
MOST_CHARACTERS = 20_000  # of a text
COVERED = 0.95  # of the prompts, by the limit of tokens that is proposed
PIECE_PROBABILITY = 0.4  # probability that letters follow a token, above which it is a piece of a word
MAX_LISTED = 3
NAMED = 20


@dataclass(frozen=True)
class Draft:
    """A data set that no card describes yet."""

    name: str
    files: dict[str, Path]
    """`all`, or `train` and `test`."""
    format: Format
    columns: tuple[str, str]
    """Of the texts, of the labels."""
    counts: dict[str, int]
    """Rows of each class, numbers in their order."""
    options: ReaderOptions = field(default_factory=ReaderOptions)
    drop_empty: bool = False
    drop_unlisted: bool = False
    separator: str | None = None
    """Between the labels of a row, where it has any number of them."""
    rows: int = 0

    @property
    def template(self) -> str:
        text, label = (re.sub(r"([{}])", r"\1\1", name.strip()) for name in self.columns)
        return f'{text}: "{{text}}"\n{label}:'

    @property
    def ordinal(self) -> bool:
        """Whether the classes look like a scale: three numbers or more in equal steps, not from 0, as codes are."""
        numbers = np.array([_number(name) for name in self.counts])
        if self.separator or len(numbers) < 3 or numbers[0] == 0 or not np.isfinite(numbers).all():
            return False
        return bool(np.ptp(np.diff(numbers)) < 1e-9)

    def card(self, words: list[str], word_tokens: str = "single") -> dict[str, Any]:
        """What `data/datasets/*.yaml` would hold, with a word for each class."""
        options = self.options.model_dump(exclude_defaults=True)
        names = " and ".join(path.name for path in self.files.values())
        card = {
            "name": self.name,
            "description": f"{self.rows:,} rows of {names}",
            "license": "not stated",
            "files": {part: f"file:{path}" for part, path in self.files.items()},
            "format": self.format,
            **({"options": options} if options else {}),
            **({"drop_empty": True} if self.drop_empty else {}),
            **({"drop_unlisted": True} if self.drop_unlisted else {}),
            "fields": {"text": self.columns[0]},
            "label_column": self.columns[1],
            "labels": [{"name": n, "value": n, "word": w.strip()} for n, w in zip(self.counts, words, strict=True)],
            **({"label_kind": "ordinal"} if self.ordinal else {}),
            **({"label_kind": "multi", "separator": self.separator} if self.separator else {}),
            **({"word_tokens": word_tokens} if word_tokens != "single" else {}),
            "template": self.template,
        }
        return card | {"split": ({"test": 0.2} if "all" in self.files else {}) | {"validation": 0.1, "seed": 42}}


@dataclass(frozen=True)
class Proposal:
    """What the model made of some training rows."""

    words: list[str]
    """For each class."""
    word_tokens: Literal["single", "mean"]
    """mean: a word has several tokens."""
    prompts: list[tuple[str, str]]
    """Some, each with the word of its class, or the words of its labels."""
    max_tokens: int
    """Limit that most prompts keep."""
    longest: int
    """Tokens of the longest prompt seen, up to the model's own limit."""
    division: Division
    """Into splits."""


def read_draft(
    files: dict[str, Path],
    text: str,
    label: str,
    name: str,
    options: ReaderOptions | None = None,
    *,
    separator: str | None = None,
    drop_empty: bool = False,
    drop_rare: bool = False,
) -> Draft:
    """Read the classes of one file, `all`, or of two, `train` and `test`, a batch of rows at a time.

    Raises DataError for what could never become a data set.
    """
    if separator == "":
        raise DataError("--label-separator is empty: give what stands between the labels of a row")
    if text == label:
        raise DataError(f"column {text!r} is given as text and as label: --text and --label name two columns")
    forms = {part: format_of(path) for part, path in files.items()}
    form = next(iter(forms.values()))
    if set(forms.values()) != {form}:
        raise DataError(f"{' and '.join(path.name for path in files.values())} have different formats: convert one")
    options, counts, unlabeled, texts = options or ReaderOptions(), {}, 0, 0
    for part, path in files.items():
        source = Part(part, [(path, form)], options, [text, label], label, frozenset())
        counts[part], missing, with_text = _count(source, path, drop_empty, separator)
        unlabeled, texts = unlabeled + missing, texts or with_text
    first, *rest = counts.values()
    if not first:
        raise DataError(f"{next(iter(files.values()))} has no rows with text: give some")
    _check_names([*first, *(name for other in rest for name in other)], files)
    rare = [name for name in {**first, **dict.fromkeys(n for o in rest for n in o)} if first[name] < LEAST_ROWS]
    if rare and not drop_rare:
        named = ", ".join(f"{name!r} ({first[name]})" for name in rare[:NAMED])
        more = f" and {len(rare) - NAMED:,} more" if len(rare) > NAMED else ""
        raise DataError(
            f"{len(rare):,} of {len(first):,} classes in {label!r} of {next(iter(files.values()))} have fewer than"
            f" {LEAST_ROWS} rows: {named}{more}. Training, validation and testing need one each: add rows, merge"
            " classes, leave these out with --drop-rare, or give another column as --label"
            + ", or as --label-separator what stands between several labels of a row, or as --scale two words where"
            " they are numbers" * (separator is None)
        )
    kept = {name: first[name] for name in first.keys() - rare}
    if len(kept) < 2:
        only, path = next(iter(kept), "none"), next(iter(files.values()))
        raise DataError(f"column {label!r} of {path} has only class {only!r}: give rows of at least two classes")
    ordered = dict(sorted(kept.items(), key=lambda item: (_number(item[0]), item[0])))
    where = {part: path.absolute() for part, path in files.items()}
    unlisted = bool(rare or (unlabeled and not separator))
    rows = texts if separator else sum(kept.values())
    return Draft(name, where, form, (text, label), ordered, options, drop_empty, unlisted, separator, rows)


def _count(source: Part, path: Path, drop_empty: bool, separator: str | None) -> tuple[Counter[str], int, int]:
    """The rows of each class, how many rows without one are left out, and how many with text there are.

    separator: between several labels of a row, which may have none.
    """
    counts: Counter[str] = Counter()
    empty: dict[str, list[int]] = {column: [] for column in source.columns}
    start = unlabeled = texts = 0
    text, label = source.columns
    for batch in source.batches():
        for i, (each, name) in enumerate(zip(batch[text], batch[label], strict=True)):
            blank = [column for column, value in ((text, each), (label, name)) if is_empty(value)]
            for column in blank:
                empty[column].append(start + i)
            if blank == [label]:
                unlabeled += 1
            texts += text not in blank and (bool(separator) or not blank)
            if not blank:
                counts.update({each.strip() for each in name.split(separator)} - {""} if separator else [name])
        start += len(batch[text])
    for column, rows in empty.items():
        if rows and not drop_empty and not (separator and column == label):
            raise DataError(
                f"row {rows[0]} of {path} has an empty {column!r}, as {len(rows)} of {start} rows have: fill them in,"
                " take them out, or leave them out with --drop-empty"
            )
    return counts, unlabeled, texts


def _check_names(names: Iterable[str], files: dict[str, Path]) -> None:
    path = next(iter(files.values()))
    by_form: dict[str, str] = {}
    for name in names:
        if name == "label":
            raise DataError(f"class 'label' of {path} has the name of the column of answers: call it otherwise")
        if (other := by_form.setdefault(folded(name), name)) != name:
            raise DataError(
                f"classes {other[:60]!a} and {name[:60]!a} of {path} differ only by case, white space, Unicode form,"
                " invisible characters or .0: write them alike, or write a card that gives both values to one label"
            )


def propose(home: Home, model: ModelCard, draft: Draft) -> Proposal:
    """A label word for each class, and some prompts, each with its class: the model reads some training rows once.

    Raises BadInput for a model that is not causal, LabelWordError for words that are not distinct tokens of the model,
    DataError for a class without training rows.
    """
    require_causal(model, "init-dataset")
    names = list(draft.counts)
    card = DatasetCard.model_validate(draft.card(names))
    division = divide(card, draft.files, home.cache / "datasets")  # words chosen by test rows would bias the scores
    train = division.splits["train"]
    if not (counts := label_counts(train.label, len(names))).all():
        raise DataError(
            f"class {names[int(counts.argmin())]!r} of {draft.name!r} has no training rows left once repeated texts are"
            " removed: add rows, merge it with another class, or take it out"
        )
    per_class = min(PER_CLASS, max(1, MOST_ROWS // len(names)))
    rows = choose_shots(train.label, per_class, 0, len(names), on_insufficient="use_all")
    ordered = np.sort(rows)
    read = dict(zip(ordered.tolist(), division.fields(train.take(ordered)), strict=True))
    texts = [{"text": read[row]["text"][:MOST_CHARACTERS]} for row in rows.tolist()]
    with inference():
        network = loaded_causal(model, home, resolve_dtype("auto"), resolve_device())
        whole, prompts = (
            encode_prompts(network.tokenizer, draft.template, texts, max_tokens=most, prepend_bos=model.prepend_bos)
            for most in (model.max_tokens, min(MOST_TOKENS, model.max_tokens))
        )
        states = extract(network, prompts.token_ids, [model.layers])[model.layers]  # (N, d)
        labels = train.label[rows]
        there = labels if labels.ndim == 2 else np.eye(len(names), dtype=bool)[labels]
        means = np.stack([states[each].mean(axis=0) for each in there.T])
        words = _propose_whole(network, model, names, means)
    whole_words = label_tokens(network.tokenizer, words, strategy="whole", dataset=draft.name)
    word_tokens: Literal["single", "mean"] = "mean" if max(map(len, whole_words)) > 1 else "single"
    label_tokens(network.tokenizer, words, strategy=word_tokens, dataset=draft.name)
    lengths = [len(ids) for ids in whole.token_ids]
    limit = min(-(-int(np.quantile(lengths, COVERED, method="higher")) // 16) * 16, model.max_tokens)
    shown = [(text, label_text(words, label)) for text, label in zip(prompts.texts, labels, strict=True)][:MAX_LISTED]
    return Proposal(words, word_tokens, shown, limit, max(lengths), division)


def _propose_whole(network: LanguageModel, model: ModelCard, names: list[str], means: np.ndarray) -> list[str]:
    """Words for the classes with these mean states (C, d), proposed again while some are pieces of longer words."""
    head = network.head
    anchors = semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors.float().numpy()
    known = _words(network.tokenizer, head.tokens)
    own = {name for each in names for name in (each, each.lower())}
    while True:
        words = propose_words(names, means, anchors, known)
        pieces = _pieces(network, model, [word for word in words if word not in own])
        if not pieces:
            return words
        known = {word: token for word, token in known.items() if word not in pieces}


def _pieces(network: LanguageModel, model: ModelCard, words: list[str]) -> set[str]:
    """Those of the words after which the model expects letters: " illust" is a token, yet no word."""
    import torch

    if not words:
        return set()
    head, tokenizer = network.head, network.tokenizer
    texts = encode_texts(tokenizer, [f"a {word}" for word in words], split_special_tokens=False)
    bos = [int(tokenizer.bos_token_id)] if model.prepend_bos else []
    states = extract(network, [bos + ids for ids in texts], [model.layers])[model.layers]  # (N, d)
    letters = [bool(text) and text[0].isalpha() for text in tokenizer.batch_decode([[t] for t in range(head.tokens)])]
    logits = head.logits(torch.from_numpy(states).to(head.weight))[:, : head.tokens]
    mass = torch.softmax(logits.float(), dim=1)[:, torch.tensor(letters, device=logits.device)].sum(dim=1)
    return {word for word, share in zip(words, mass.tolist(), strict=True) if share > PIECE_PROBABILITY}


def _words(tokenizer: "PreTrainedTokenizerBase", tokens: int) -> dict[str, int]:
    """Return the words that are single tokens in the place of a label word, after a colon and a space, with their
    tokens."""
    texts = tokenizer.batch_decode([[token] for token in range(tokens)])
    words = sorted({word for text in texts if (word := text.lstrip(" Ġ▁")).isalpha()})  # Ġ, ▁: marks of a space
    before, *encoded = encode_texts(tokenizer, [":", *(f": {word}" for word in words)], split_special_tokens=False)
    return {word: ids[-1] for word, ids in zip(words, encoded, strict=True) if ids[:-1] == before}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")
