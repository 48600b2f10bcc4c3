"""Cards of models and data sets: typed, read from YAML under `data/`, rejected whole if one key is wrong."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from vocabsem.cards.base import (
    Card,
    Choices,
    Label,
    LabelWords,
    LocalCopy,
    Name,
    Sha256,
    SplitRule,
    Template,
    Text,
    Variant,
    Words,
    WordTokens,
    words_of,
)
from vocabsem.cards.checks import check_distinct, check_numbers, check_weight, listed, number
from vocabsem.cards.model_card import ModelCard
from vocabsem.cards.reader_options import OPTIONS, Format, ReaderOptions
from vocabsem.errors import CardError
from vocabsem.label_kinds import LabelKind
from vocabsem.prompts.prompting import field_names
from vocabsem.prompts.texts import folded
from vocabsem.prompts.truncation import MASK

__all__ = [
    "Card",
    "DatasetCard",
    "Kind",
    "Label",
    "LocalCopy",
    "ModelCard",
    "SplitRule",
]

_PROSE = {"name", "description", "license", "citation", "template", "templates", "words", "word_tokens", "label_kind"}
Kind = Literal["models", "datasets"]


class DatasetCard(Card):
    """Labeled text: its source, its columns, its prompt."""

    name: Name
    """Name of the card and of the data set in tables."""
    description: Text
    """One sentence for people."""
    license: Text
    """Under which the data may be used."""
    citation: str | None = None
    """What to cite."""
    files: Annotated[dict[Literal["train", "validation", "test", "all"], str], Field(min_length=1)]
    """A source for each split, or one source for `all` rows."""
    sha256: dict[Literal["train", "validation", "test", "all"], Sha256] = Field(default_factory=dict)
    """Of each file, or of the folder as `sources.digests.sha256_of` defines it; verified at download."""
    format: Format
    """`folder`: one text per file, one folder per class. `hub`: a folder whose files `datasets` assigns to splits."""
    options: ReaderOptions = ReaderOptions()
    """How files are read, where the format leaves it open."""
    splits: dict[Literal["train", "validation", "test"], str] = Field(default_factory=dict)
    """For `hub`: which of its splits make which split here, such as `train: train+validation`."""
    where: dict[str, str | int] = Field(default_factory=dict)
    """Only rows with these values in these columns, compared as text."""
    drop_empty: bool = False
    """Whether rows with an empty text are dropped and counted; otherwise they are an error."""
    drop_unlisted: bool = False
    """Whether rows whose label is none of `labels` are dropped and counted; otherwise they are an error."""
    fields: Annotated[dict[str, str], Field(min_length=1)]
    """Template field → column. For `folder`, the column is `text`; of nested JSON, a path: question.stem, gold.0."""
    label_column: str
    """Column of the labels; for `folder` it is `label`, the folder's name."""
    labels: Annotated[list[Label], Field(min_length=2)]
    """The classes, in class order."""
    label_kind: LabelKind = "nominal"
    """`ordinal`: the classes are in order, as they are listed; `multi`: a row has any number of the labels;
    `choice`: they are the places of options that differ by row; `continuous`: two, the words of two numbers."""
    separator: Text | None = None
    """Of `multi`: what stands between a row's labels; without one the label column holds lists."""
    choices: Choices | None = None
    """Of `choice`: where the options are."""
    weight: Text | None = None
    """Column of training rows with numbers above 0: how much each weighs in fits. Metrics weigh all rows the same."""
    word_tokens: WordTokens = "single"
    """What stands for a word of several tokens: nothing (an error), its first token, or the mean over all."""
    template: Template
    """The prompt, with `{field}` where a field's text goes; the label word follows it, or stands at `{mask}`."""
    templates: dict[Variant, Template] = Field(default_factory=dict)
    """Other templates by name: `trec@bare` in an experiment is the card `trec` with its template `bare`."""
    words: dict[Variant, list[Words] | LabelWords] = Field(default_factory=dict)
    """Other label words by name, in class order: `trec@words-plain` has those called `plain`."""
    split: SplitRule = SplitRule()
    """How rows are divided where the source does not do it."""
    local: LocalCopy | None = None
    """Where the same data may lie in a folder of the user's."""

    @property
    def label_names(self) -> list[str]:
        """Names of the classes, in class order."""
        return [label.name for label in self.labels]

    @property
    def label_words(self) -> list[str]:
        """Label words of the classes, in class order; of several the first."""
        return [label.words[0] for label in self.labels]

    @property
    def all_words(self) -> list[str]:
        """All label words of all classes, in class order."""
        return [word for label in self.labels for word in label.words]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if MASK in self.fields:
            raise ValueError(f"fields has {MASK!r}, which in a template is where masked models answer: rename it")
        for which, template in [("", self.template), *((f" {name!r}", text) for name, text in self.templates.items())]:
            if (named := field_names(template) - {MASK}) != set(self.fields):
                raise ValueError(f"the template{which} names {listed(named)}, but fields are {listed(self.fields)}")
        for name, given in self.words.items():
            words = given if isinstance(given, list) else given.words
            if len(words) != self.classes:
                raise ValueError(f"words.{name} has {len(words)} words for {self.classes} labels")
            check_distinct(list(map(words_of, words)), f"label word of words.{name}")
        if "all" in self.files and len(self.files) > 1 and self.format != "hub":
            raise ValueError("files has 'all' and others: give 'all' alone, or one file per split")
        if "all" not in self.files and not {"train", "test"} <= set(self.files):
            raise ValueError("files needs 'train' and 'test', or 'all'")
        if unknown := set(self.sha256) - set(self.files):
            raise ValueError(f"sha256 names {listed(unknown)}, which files does not have")
        if self.format == "hub" and set(self.files) != {"all"}:
            raise ValueError("format 'hub' takes one source, 'all', and names its splits under 'splits'")
        if self.format == "hub" and not {"train", "test"} <= set(self.splits):
            raise ValueError("format 'hub' needs 'splits' with 'train' and 'test'")
        if self.format != "hub" and self.splits:
            raise ValueError("'splits' belongs to format 'hub'; others have one file per split")
        if self.format != "hub" and "all" in self.files and not self.split.test:
            raise ValueError("files has only 'all': set 'split.test' to the share of it that is for testing")
        if self.split.test and ("all" not in self.files or self.format == "hub"):
            raise ValueError("split.test is for a source with one file, 'all': this one has its own test rows")
        if self.split.validation and "validation" in {*self.files, *self.splits}:
            raise ValueError("split.validation is for a source without validation rows: this one has its own")
        if foreign := self.options.model_fields_set - OPTIONS[self.format]:
            raise ValueError(
                f"options of format {self.format!r} are {listed(OPTIONS[self.format])}, not {listed(foreign)}"
            )
        check_distinct([label.values for label in self.labels], "label value", folded)
        check_distinct([[name] for name in self.label_names], "label name", folded)
        check_distinct([label.words for label in self.labels], "label word")
        if self.label_kind == "ordinal" and self.classes < 3:
            raise ValueError("label_kind is 'ordinal' with 2 labels, between which there is no order: leave it out")
        if self.separator is not None and self.label_kind != "multi":
            raise ValueError(f"separator {self.separator!r} stands between several labels: set label_kind to 'multi'")
        if self.separator and (inside := [v for label in self.labels for v in label.values if self.separator in v]):
            raise ValueError(f"label value {inside[0]!r} holds the separator {self.separator!r}: give another")
        self._check_choices()
        if self.weight is not None:
            check_weight(self.format, self.label_kind, self.local)
        if self.label_kind == "continuous":
            check_numbers(self.labels, self.local)
        if (answer := "labels" if self.label_kind == "multi" else "label") in self.label_names:
            raise ValueError(
                f"a label has the name {answer!r}, which is that of the column of predictions: give it another name"
            )
        if self.local is not None and len(self.local.values) != self.classes:
            raise ValueError(f"local.values has {len(self.local.values)} values for {self.classes} labels")
        if self.local is not None and set(self.local.fields) != set(self.fields):
            raise ValueError(f"local.fields are {listed(self.local.fields)}, but fields are {listed(self.fields)}")
        return self

    def _check_choices(self) -> None:
        """Refuse options of other label kinds, a choice without any, and a prompt of letters that lacks some."""
        if (self.choices is None) == (self.label_kind == "choice"):
            raise ValueError("label_kind: choice and choices go together: give both, or neither")
        if self.choices is None:
            return
        if self.local is not None:
            raise ValueError("local has no options: leave it out of a card with choices")
        if shared := {*self.fields, MASK} & set(self.label_names):
            raise ValueError(
                f"fields and labels share the name {listed(shared)}, which stands for an option: rename one"
            )
        wanted = {*self.fields, *self.label_names}
        if self.choices.letters is not None and (named := field_names(self.choices.letters)) != wanted:
            raise ValueError(
                f"choices.letters names {listed(named)}, but fields and labels are {listed(wanted)}: name each"
            )
        columns = self.choices.columns
        if isinstance(columns, list) and len(columns) != self.classes:
            raise ValueError(f"choices.columns has {len(columns)} columns for {self.classes} labels")

    @property
    def label_range(self) -> tuple[float, float]:
        """The two numbers whose words the labels of a continuous target are."""
        low, high = (number(label.values[0]) for label in self.labels)
        assert low is not None
        assert high is not None
        return low, high

    def content(self) -> dict[str, Any]:
        """Return all in this card that determines which examples are read, JSON-able: neither prompts nor prose.

        Paths of `file:` sources are left out: the sha256 of their bytes, known when they are fetched, replaces them.

        Returns
        -------
        dict of str to value
        """
        new = {key for key in ("drop_unlisted", "separator", "choices", "weight") if not getattr(self, key)}
        # Keys of cards that were made before these fields were there stay.
        kept = self.model_dump(mode="json", exclude=_PROSE | {"files", "labels", "local"} | new)
        kept["files"] = {k: "file:" if v.startswith("file:") else v for k, v in self.files.items()}
        if self.label_kind in ("multi", "continuous"):
            kept["label_kind"] = self.label_kind
        if self.choices:
            del kept["choices"]["letters"]
        kept["labels"] = [{"name": label.name, "values": label.values} for label in self.labels]
        return kept

    def variant(self, name: str) -> "DatasetCard":
        """Return the card named `<card>@<name>`, with the template `name` or, for `words-<w>`, the label words `w`.

        It has no further variants of the same kind.

        Raises
        ------
        CardError
            For a name that the card does not have.
        """
        known: dict[str, dict[str, Any]] = {
            each: {"template": template, "templates": {}} for each, template in self.templates.items()
        }
        for each, given in self.words.items():
            words, tokens = (given, self.word_tokens) if isinstance(given, list) else (given.words, given.word_tokens)
            labels = [label.model_copy(update={"word": w}) for label, w in zip(self.labels, words, strict=True)]
            known[f"words-{each}"] = {"labels": labels, "words": {}, "word_tokens": tokens}
        if name not in known:
            raise CardError(f"dataset {self.name!r} has no variant {name!r}: its card has {listed(known)}")
        return self.model_copy(update=known[name] | {"name": f"{self.name}@{name}"})

    def located(self, data_dir: Path | None) -> "DatasetCard":
        """Return the card that reads the user's own copy under `data_dir`, or this card where there is none.

        Parameters
        ----------
        data_dir : Path or None
            Folder of the user's data.

        Returns
        -------
        DatasetCard

        Raises
        ------
        CardError
            For a copy without the files it needs.
        """
        if data_dir is None or self.local is None:
            return self
        folder = data_dir / self.local.folder
        paths = {s: folder / f"{s}.jsonl" for s in ("train", "validation", "test")}
        files = {s: f"file:{p.absolute()}" for s, p in paths.items() if p.is_file()}
        if not files:
            return self
        split = self.split.model_copy(
            update={"test": 0, "validation": 0 if "validation" in files else self.split.validation}
        )
        if not {"train", "test"} <= set(files):
            split = self.local.split or self.split
            if len(files) > 1 or not split.test:
                raise CardError(
                    f"dataset {self.name!r}: {folder} has only {listed(f'{s}.jsonl' for s in files)}: "
                    "put train.jsonl and test.jsonl there, or remove the folder to read the card's own source"
                )
            files = {"all": next(iter(files.values()))}
        labels = [
            label.model_copy(update={"value": value})
            for label, value in zip(self.labels, self.local.values, strict=True)
        ]
        update: dict[str, Any] = {
            "files": files,
            "sha256": {},
            "format": "jsonl",
            "options": ReaderOptions(),
            "splits": {},
        }
        update |= {"where": {}, "fields": self.local.fields, "label_column": self.local.label_column}
        return self.model_copy(update=update | {"labels": labels, "split": split})
