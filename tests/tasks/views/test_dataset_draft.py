"""A file that is to become a data set: what is read from it, and what is reported of files that cannot."""

import csv
import json

import pytest

from tasks.examples import build_examples
from tasks.steps.specs import ExamplesSpec
from tasks.steps.step import Step
from tasks.views.dataset_draft import MOST_CLASSES, _training_rows, propose, read_draft
from tests.tasks.worlds import model, sentences
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError
from warehouse.home import Home
from warehouse.lake.partition import Lake

ROWS = [(f"text {number}", "ab"[number % 2]) for number in range(12)]


def write(path, rows=ROWS, header=("review", "stars")):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows))
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path, text="review", label="stars"):
    return read_draft(Home(path.parent / "home"), path, text, label, "mine")


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_rows_become_a_valid_card(tmp_path, name):
    rows = [("ça va", 10), ('a "quoted", text', 9), ("NA", 9), ("x\ny", 10), ("z", 9), ("last", 10)]
    draft = read(write(tmp_path / name, rows))
    assert draft.texts == [text for text, _ in rows]
    assert draft.counts == {"9": 3, "10": 3}, "numbers in their order"
    card = DatasetCard.model_validate(draft.card(["nine", "ten"]))
    assert card.files == {"all": f"file:{tmp_path / name}"}
    assert card.template == 'review: "{text}"\nstars:'
    assert [(label.name, label.values, label.word) for label in card.labels] == [
        ("9", ["9"], "nine"),
        ("10", ["10"], "ten"),
    ]


def test_names_of_columns_may_hold_what_templates_mean(tmp_path):
    draft = read(write(tmp_path / "mine.csv", header=("{text}", " {x")), "{text}", " {x")
    card = DatasetCard.model_validate(draft.card(["a", "b"]))
    assert card.template.format(text="hello") == '{text}: "hello"\n{x:'


@pytest.mark.parametrize(
    ("rows", "output"),
    [
        ([*ROWS, ("", "a"), (" ", "b")], "row 12 of .* has an empty 'review', as 2 of 14 rows have: fill them in"),
        ([*ROWS, ("text", "")], "row 12 of .* has an empty 'stars', as 1 of 13"),
        ([(text, "a") for text, _ in ROWS], "'stars' .* has only class 'a': .* two classes"),
        ([], "cannot read .* no data"),
        (
            [(f"t{n}", str(n // 3)) for n in range(3 * MOST_CLASSES + 3)],
            "101 different values, more than 100: .*--label",
        ),
        ([*ROWS, ("text", "c")], "class 'c' .* has fewer than 3 rows, 1: .*merge"),
        ([*ROWS, ("text", "b ")], "classes 'b' and 'b ' of .* differ by white space only: write them alike"),
        ([*ROWS, ("text", "label")], "class 'label' of .*: call it otherwise"),
    ],
    ids=["empty text", "empty label", "one class", "no rows", "too many classes", "a rare class", "a space", "label"],
)
def test_rows_that_no_data_set_can_have_are_reported(tmp_path, rows, output):
    with pytest.raises(DataError, match=output):
        read(write(tmp_path / "mine.csv", rows))


def test_files_that_cannot_be_read_are_reported(tmp_path):
    path = write(tmp_path / "mine.csv")
    for columns, output in [
        (("reviex", "stars"), "no column 'reviex'.*did you mean 'review'"),
        (("review", "starz"), "no column 'starz'.*did you mean 'stars'"),
        (("review", "review"), "'review' is given as text and as label"),
    ]:
        with pytest.raises(DataError, match=output):
            read(path, *columns)
    with pytest.raises(DataError, match=r"there is no file .*absent\.csv"):
        read(tmp_path / "absent.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("review,stars\nça va,1\n".encode("latin-1"))
    with pytest.raises(
        DataError, match=r"latin\.csv is not UTF-8 text \(invalid continuation byte\): save it as UTF-8"
    ):
        read(latin)
    with pytest.raises(DataError, match=r"ends in '\.xlsx': name it by what it is, one of \.csv"):
        read(path.rename(tmp_path / "mine.xlsx"))
    broken = tmp_path / "mine.jsonl"
    broken.write_text('{"review": "a", "stars"\n')
    with pytest.raises(DataError, match=r"cannot read .*mine\.jsonl"):
        read(broken)


def test_words_are_chosen_by_training_rows_alone(tmp_path):
    home, draft = Home(tmp_path / "home"), read(write(tmp_path / "mine.csv", [(f"text {n}", n % 3) for n in range(60)]))
    texts, labels = _training_rows(home, draft)
    card = DatasetCard.model_validate(draft.card(["x", "y", "z"]))
    limits = {"train": None, "validation": None, "test": None}
    step = Step(ExamplesSpec(dataset=card.name, card=card.content(), hashes={"all": "0" * 64}, limits=limits))
    build_examples.fn(home, card, {"all": draft.path}, step)
    rows = step.partition(Lake(home)).table().to_pylist()
    assert {row["text"] for row in rows if row["split"] != "train"}.isdisjoint(texts)
    assert [(r["text"], r["label"]) for r in rows if r["split"] == "train"] == list(zip(texts, labels, strict=True))


def test_a_class_whose_texts_are_all_the_same_is_reported(tmp_path):
    draft = read(write(tmp_path / "mine.csv", [*ROWS, *[("again", "c")] * 3]))
    with pytest.raises(DataError, match=r"class 'c' .* no training rows left once repeated texts are removed"):
        propose(Home(tmp_path / "home"), model(), draft)


def test_words_are_proposed_and_prompts_shown_in_the_classes_turn(tmp_path):
    """The tiny model has too few words to propose any: names that are tokens of it serve."""
    rows = [(row["text"], {"neg": "bad", "pos": "positive", "tale": "story"}[row["label"]]) for row in sentences()]
    draft = read(write(tmp_path / "mine.csv", rows))
    words, shown = propose(Home(tmp_path / "home"), model(), draft)
    assert words == list(draft.counts) == ["bad", "positive", "story"]
    assert [label for _, label in shown] == words
    texts = {f'review: "{text}"\nstars:': label for text, label in rows}
    assert all(texts[prompt] == label for prompt, label in shown)
