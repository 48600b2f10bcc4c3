"""A model or a data set, described: typed, read from YAML under `data/`, refused whole if a word of it is wrong."""

from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, Self, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vocabsem.cards.loader import read_yaml
from vocabsem.errors import CardError
from vocabsem.prompting import field_names, validate_template

CARDS = Path(__file__).parents[2] / "data"

_PROSE = {"name", "description", "license", "citation", "template", "templates", "words", "word_tokens"}
Kind = Literal["models", "datasets"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Variant = Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
Template = Annotated[Text, AfterValidator(validate_template)]


class Card(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ModelCard(Card):
    """A causal language model: where it is and how large."""

    name: Name
    description: Text
    source: Text
    """Where its bytes are: `hf:org/name@revision`, `pypi:package==version/path` or `file:path`."""
    sha256: Sha256 | None = None
    """Of the file, or of the folder as `sources.sha256_of` defines it; verified at download."""
    license: Text
    citation: str | None = None
    prepend_bos: bool
    """Whether prompts start with the beginning-of-sequence token, as the training documents did."""
    max_tokens: Positive = 512
    """Longest prompt; longer ones are shortened in the text field and counted."""
    context: Positive = 1024
    """Most tokens shown to the model at once: demonstrations and prompt."""
    parameters: Positive
    """All weights, shared ones counted once."""
    layers: Positive
    hidden_size: Positive
    vocabulary_size: Positive
    """Rows of the head, padding included."""


class Label(Card):
    """A class: what people call it, how the data spell it, which word the language model says for it."""

    name: Text
    value: str | int | list[str | int]
    """The label column's value or values for this class, compared as text."""
    word: Text

    @property
    def values(self) -> list[str]:
        return [str(v) for v in (self.value if isinstance(self.value, list) else [self.value])]


class SplitRule(Card):
    """How rows are divided where the source does not do it; always stratified."""

    test: Fraction | Positive = 0
    """Share (or number) of all rows kept for testing: only for sources with one file, `all`."""
    validation: Fraction = 0
    """Share of the training rows kept for validation."""
    seed: int = 42


class LocalCopy(Card):
    """The same data as JSON lines in a folder of the user's: `<data-dir>/<folder>/<split>.jsonl`."""

    folder: Name
    fields: dict[str, str]
    label_column: str = "label"
    values: list[str | int]
    """The label column's value for each class, in class order."""
    split: SplitRule | None = None
    """Used instead of the card's rule when the folder has one file only; then that file is all there is."""


class DatasetCard(Card):
    """Labeled text: where it is, which columns matter, how it becomes a prompt."""

    name: Name
    description: Text
    license: Text
    citation: str | None = None
    files: Annotated[dict[Literal["train", "validation", "test", "all"], str], Field(min_length=1)]
    """A source for each split, or one source for `all` rows."""
    sha256: dict[Literal["train", "validation", "test", "all"], Sha256] = {}
    format: Literal["csv", "jsonl", "parquet", "folder", "hub"]
    """`folder`: one text a file, one folder a class. `hub`: a folder whose files `datasets` tells apart by itself."""
    options: dict[str, Any] = {}
    """Passed to the reader, `pandas.read_csv` for csv: separator, rows to skip, encoding."""
    splits: dict[Literal["train", "validation", "test"], str] = {}
    """For `hub`: which of its splits make which of ours, such as `train: train+validation`."""
    where: dict[str, str | int] = {}
    """Only rows with these values in these columns, compared as text."""
    drop_empty: bool = False
    """Whether rows with an empty text are dropped and counted; otherwise they are an error."""
    fields: Annotated[dict[str, str], Field(min_length=1)]
    """Template field → column. For `folder`, the column is `text`."""
    label_column: str
    """For `folder`, `label`: the folder's name."""
    labels: Annotated[list[Label], Field(min_length=2)]
    word_tokens: Literal["single", "first", "mean"] = "single"
    """What stands for a word of several tokens: nothing (an error), its first token, or the mean over all."""
    template: Template
    templates: dict[Variant, Template] = {}
    """Other templates by name: `trec@bare` in an experiment is the card `trec` with its template `bare`."""
    words: dict[Variant, list[Text]] = {}
    """Other label words by name, in class order: `trec@words-plain` has those called `plain`."""
    split: SplitRule = SplitRule()
    local: LocalCopy | None = None

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels]

    @property
    def label_words(self) -> list[str]:
        return [label.word for label in self.labels]

    @property
    def classes(self) -> int:
        return len(self.labels)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        for which, template in [("", self.template), *((f" {name!r}", text) for name, text in self.templates.items())]:
            if (named := field_names(template)) != set(self.fields):
                raise ValueError(f"the template{which} names {_listed(named)}, but fields are {_listed(self.fields)}")
        for name, words in self.words.items():
            if len(words) != self.classes:
                raise ValueError(f"words.{name} has {len(words)} words for {self.classes} labels")
            _check_distinct(words, f"label word of words.{name}")
        if "all" in self.files and len(self.files) > 1 and self.format != "hub":
            raise ValueError("files has 'all' and others: give 'all' alone, or one file per split")
        if "all" not in self.files and not {"train", "test"} <= set(self.files):
            raise ValueError("files needs 'train' and 'test', or 'all'")
        if strangers := set(self.sha256) - set(self.files):
            raise ValueError(f"sha256 names {_listed(strangers)}, which files does not have")
        if self.format == "hub" and set(self.files) != {"all"}:
            raise ValueError("format 'hub' takes one source, 'all', and names its splits under 'splits'")
        if self.format == "hub" and not {"train", "test"} <= set(self.splits):
            raise ValueError("format 'hub' needs 'splits' with 'train' and 'test'")
        if self.format != "hub" and self.splits:
            raise ValueError("'splits' belongs to format 'hub'; others have one file per split")
        if self.format != "hub" and "all" in self.files and not self.split.test:
            raise ValueError("files has only 'all': say under 'split' how much of it is for testing")
        if self.split.test and ("all" not in self.files or self.format == "hub"):
            raise ValueError("split.test is for a source with one file, 'all': this one has its own test rows")
        if self.split.validation and "validation" in {*self.files, *self.splits}:
            raise ValueError("split.validation is for a source without validation rows: this one has its own")
        _check_distinct([v for label in self.labels for v in label.values], "label value")
        _check_distinct(self.label_names, "label name")
        _check_distinct(self.label_words, "label word")
        if "label" in self.label_names:
            raise ValueError(
                "a label has the name 'label', which is that of the column of answers: give it another name"
            )
        if self.local is not None and len(self.local.values) != self.classes:
            raise ValueError(f"local.values has {len(self.local.values)} values for {self.classes} labels")
        if self.local is not None and set(self.local.fields) != set(self.fields):
            raise ValueError(f"local.fields are {_listed(self.local.fields)}, but fields are {_listed(self.fields)}")
        return self

    def content(self) -> dict[str, Any]:
        """All in this card that determines which examples are read, JSON-able: neither prompts nor prose.

        Paths of `file:` sources are left out: the bytes' sha256, known when they are fetched, says more.
        """
        kept = self.model_dump(mode="json", exclude=_PROSE | {"files", "labels", "local"})
        kept["files"] = {k: "file:" if v.startswith("file:") else v for k, v in self.files.items()}
        kept["labels"] = [{"name": label.name, "values": label.values} for label in self.labels]
        return kept

    def variant(self, name: str) -> "DatasetCard":
        """This card, called `<card>@<name>`, with its template `name` or, for `words-<w>`, with its label words `w`.

        It has no further variants of the same kind. Raises CardError for a name that the card does not have.
        """
        known: dict[str, dict[str, Any]] = {
            each: {"template": template, "templates": {}} for each, template in self.templates.items()
        }
        for each, words in self.words.items():
            labels = [label.model_copy(update={"word": w}) for label, w in zip(self.labels, words, strict=True)]
            known[f"words-{each}"] = {"labels": labels, "words": {}}
        if name not in known:
            raise CardError(f"dataset {self.name!r} has no variant {name!r}: its card has {_listed(known)}")
        return self.model_copy(update=known[name] | {"name": f"{self.name}@{name}"})

    def located(self, data_dir: Path | None) -> "DatasetCard":
        """This card, reading the user's own copy under `data_dir` where there is one; otherwise unchanged."""
        if data_dir is None or self.local is None:
            return self
        folder = data_dir / self.local.folder
        found = {s: folder / f"{s}.jsonl" for s in ("train", "validation", "test")}
        files = {s: f"file:{p.absolute()}" for s, p in found.items() if p.is_file()}
        if not files:
            return self
        split = self.split.model_copy(
            update={"test": 0, "validation": 0 if "validation" in files else self.split.validation}
        )
        if not {"train", "test"} <= set(files):
            split = self.local.split or self.split
            if len(files) > 1 or not split.test:
                raise CardError(
                    f"dataset {self.name!r}: {folder} has only {_listed(f'{s}.jsonl' for s in files)}: "
                    "put train.jsonl and test.jsonl there, or remove the folder to read the card's own source"
                )
            files = {"all": next(iter(files.values()))}
        labels = [
            label.model_copy(update={"value": value})
            for label, value in zip(self.labels, self.local.values, strict=True)
        ]
        update: dict[str, Any] = {"files": files, "sha256": {}, "format": "jsonl", "options": {}, "splits": {}}
        update |= {"where": {}, "fields": self.local.fields, "label_column": self.local.label_column}
        return self.model_copy(update=update | {"labels": labels, "split": split})


@overload
def load_card(kind: Literal["models"], name_or_path: str) -> ModelCard: ...
@overload
def load_card(kind: Literal["datasets"], name_or_path: str) -> DatasetCard: ...
def load_card(kind: Kind, name_or_path: str) -> ModelCard | DatasetCard:
    """The card of that name under `data/<kind>/`, or the one at that path (anything that ends in .yaml).

    `@` and a name ask for a variant of a data set, and once more for one of the other kind: `trec@bare@words-plain`.
    Raises CardError: no such card, or a card that says what cannot be.
    """
    folder, slash, last = name_or_path.rpartition("/")
    last, *variants = last.split("@") if kind == "datasets" else [last]
    name_or_path = folder + slash + last
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
    else:
        path = CARDS / kind / f"{name_or_path}.yaml"
        if name_or_path not in (known := list_cards(kind)):
            near = get_close_matches(name_or_path, known, n=1, cutoff=0.5)
            listed = f"known are {', '.join(known)}; or give the path of a .yaml file"
            hint = f"did you mean {near[0]!r}?" if near else listed
            raise CardError(f"unknown {kind[:-1]} {name_or_path!r} in {CARDS / kind}: {hint}")
    card = read_yaml(path, ModelCard) if kind == "models" else read_yaml(path, DatasetCard)
    if path.parent == CARDS / kind and card.name != path.stem:
        raise CardError(f"{path}: the card is named {card.name!r}: give it the file's name, {path.stem!r}")
    return reduce(DatasetCard.variant, variants, card) if isinstance(card, DatasetCard) else card


def list_cards(kind: Kind) -> list[str]:
    return sorted(path.stem for path in (CARDS / kind).glob("*.yaml"))


def _check_distinct(items: list[str], what: str) -> None:
    if twice := sorted({item for item in items if items.count(item) > 1}):
        raise ValueError(f"{what} {twice[0]!r} is given to two labels")


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "none"
