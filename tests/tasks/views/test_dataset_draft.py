"""A file that is to become a data set: what is read from it, and what is reported of files that cannot."""

import csv
import json

import pytest

from tasks.examples import build_examples
from tasks.steps.specs import ExamplesSpec
from tasks.steps.step import Step
from tasks.views import dataset_draft
from tasks.views.dataset_draft import propose, read_draft
from tests.tasks.worlds import model, sentences
from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import divide
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


def read(path, text="review", label="stars", **more):
    return read_draft({"all": path}, text, label, "mine", **more)


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_rows_become_a_valid_card(tmp_path, name):
    rows = [("ça va", 10), ('a "quoted", text', 9), ("NA", 9), ("x\ny", 10), ("z", 9), ("last", 10)]
    draft = read(write(tmp_path / name, rows))
    assert draft.counts == {"9": 3, "10": 3}, "numbers in their order"
    card = DatasetCard.model_validate(draft.card(["nine", "ten"]))
    assert card.files == {"all": f"file:{tmp_path / name}"}
    assert card.template == 'review: "{text}"\nstars:'
    assert [(label.name, label.values, label.word) for label in card.labels] == [
        ("9", ["9"], "nine"),
        ("10", ["10"], "ten"),
    ]


@pytest.mark.parametrize(
    ("classes", "ordinal"),
    [
        ("12345", True),
        (("0.5", "1.0", "1.5"), True),
        (("-1", "0", "1"), True),
        ("01234", False),  # codes are counted from 0
        ("124", False),
        ("12", False),
        ("abc", False),
        ("12a", False),
    ],
)
def test_numbers_that_look_like_a_scale_are_proposed_as_one(tmp_path, classes, ordinal):
    rows = [(f"text {number}", classes[number % len(classes)]) for number in range(3 * len(classes))]
    draft = read(write(tmp_path / "mine.csv", rows))
    card = draft.card([f"word{c}" for c in range(len(classes))])
    assert draft.ordinal is ordinal
    assert DatasetCard.model_validate(card).label_kind == ("ordinal" if ordinal else "nominal")
    assert ("label_kind" in card) is ordinal


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
        ([], r"mine\.csv has no rows"),
        (
            [*ROWS, ("text", "c"), ("one", "d"), ("two", "d")],
            r"2 of 4 classes .* fewer than 3 rows: 'c' \(1\), 'd' \(2\)\. .*--drop-rare",
        ),
        ([*ROWS, ("text", "b ")], "classes 'b' and 'b ' of .* differ only by .* white space.*: write them alike"),
        ([*ROWS, ("text", "B")], "classes 'b' and 'B' of .* differ only by case"),
        ([(t, {"a": "1", "b": "1.0"}[c]) for t, c in ROWS], "classes '1' and '1.0' of .* differ only by"),
        (
            [(t, {"a": "caf\u00e9", "b": "cafe\u0301"}[c]) for t, c in ROWS],
            r"classes 'caf\\xe9' and 'cafe\\u0301' of .* Unicode form",
        ),
        ([*ROWS, ("text", "a\u200b")], r"classes 'a' and 'a\\u200b' of .* invisible characters"),
        ([*ROWS, ("\u200b\ufeff", "a")], "row 12 of .* has an empty 'review', as 1 of 13 .*--drop-empty"),
        ([*ROWS, ("text", "label")], "class 'label' of .*: call it otherwise"),
    ],
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
    with pytest.raises(DataError, match=r"absent\.csv does not exist or is no file"):
        read(tmp_path / "absent.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("review,stars\nça va,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv as csv: it is not utf-8 text \(invalid continuation byte\)"):
        read(latin)
    with pytest.raises(DataError, match=r"ends in '\.xlsx': name it by what it is, one of \.csv"):
        read(path.rename(tmp_path / "mine.xlsx"))
    broken = tmp_path / "mine.jsonl"
    broken.write_text('{"review": "a", "stars"\n')
    with pytest.raises(DataError, match=r"cannot read .*mine\.jsonl as jsonl: line 1: "):
        read(broken)


def test_an_encoding_that_is_named_is_read_and_kept_in_the_card(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(
        "review;stars\n".encode("cp1252") + "".join(f"ça {n};{n % 2}\n" for n in range(8)).encode("cp1252")
    )
    draft = read(path, options=ReaderOptions(encoding="cp1252"))
    assert draft.counts == {"0": 4, "1": 4}
    assert DatasetCard.model_validate(draft.card(["a", "b"])).options == ReaderOptions(encoding="cp1252")


def test_rare_classes_and_rows_without_text_are_left_out_where_that_is_wanted(tmp_path):
    rows = [*ROWS, ("text", "c"), ("", "a"), ("no class", "")]
    draft = read(write(tmp_path / "mine.csv", rows), drop_rare=True, drop_empty=True)
    assert draft.counts == {"a": 6, "b": 6}
    card = DatasetCard.model_validate(draft.card(["a", "b"]))
    assert (card.drop_empty, card.drop_unlisted) == (True, True)
    facts = divide(card, draft.files, tmp_path).facts
    assert (facts.empty_dropped, facts.unlisted_dropped, facts.rows_read) == (1, 2, {"all": 15})


def test_a_file_of_test_rows_becomes_the_test_split(tmp_path):
    train = write(tmp_path / "train.csv", [*ROWS, *(("new " + text, "b") for text, _ in ROWS)])
    test = write(tmp_path / "test.csv", [("other", "a"), ("another", "b"), ("a third", "z")])
    files = {"train": train, "test": test}
    with pytest.raises(DataError, match=r"1 of 2 classes .* fewer than 3 rows: 'z' \(0\)"):
        read_draft(files, "review", "stars", "mine")
    draft = read_draft(files, "review", "stars", "mine", drop_rare=True)
    division = divide(DatasetCard.model_validate(draft.card(["a", "b"])), draft.files, tmp_path)
    assert {split: len(rows.number) for split, rows in division.splits.items()} == {
        "train": 22,
        "validation": 2,
        "test": 2,
    }
    with pytest.raises(DataError, match=r"train\.csv and test\.jsonl have different formats"):
        read_draft({"train": train, "test": tmp_path / "test.jsonl"}, "review", "stars", "mine")


def test_any_number_of_classes(tmp_path):
    draft = read(write(tmp_path / "mine.csv", [(f"t{n}", str(n // 3)) for n in range(450)]))
    assert len(draft.counts) == 150


def test_names_of_classes_that_datasets_has_stored_are_the_classes(tmp_path):
    import datasets

    label = datasets.Features({"review": datasets.Value("string"), "stars": datasets.ClassLabel(names=["bad", "good"])})
    rows = {"review": [text for text, _ in ROWS], "stars": [n % 2 for n in range(12)]}
    datasets.Dataset.from_dict(rows, features=label).to_parquet(tmp_path / "mine.parquet")
    draft = read(tmp_path / "mine.parquet")
    assert draft.counts == {"bad": 6, "good": 6}
    for values in (["bad", "good"], [0, 1]):
        card = draft.card(["x", "y"])
        card["labels"] = [dict(each, value=value) for each, value in zip(card["labels"], values, strict=True)]
        division = divide(DatasetCard.model_validate(card), draft.files, tmp_path)
        assert set(division.splits["train"].label) == {0, 1}, "numbers and names both are values of a card"


def test_words_are_chosen_by_training_rows_alone(tmp_path, monkeypatch):
    rows = [(row["text"], {"neg": "bad", "pos": "positive", "tale": "story"}[row["label"]]) for row in sentences()]
    home, draft = Home(tmp_path / "home"), read(write(tmp_path / "mine.csv", rows))
    texts = []
    encode = dataset_draft.encode_prompts
    monkeypatch.setattr(
        dataset_draft, "encode_prompts", lambda *a, **k: texts.extend(row["text"] for row in a[2]) or encode(*a, **k)
    )
    propose(home, model(), draft)
    card = DatasetCard.model_validate(draft.card(["x", "y", "z"]))
    limits = {"train": None, "validation": None, "test": None}
    step = Step(ExamplesSpec(dataset=card.name, card=card.content(), hashes={"all": "0" * 64}, limits=limits))
    build_examples.fn(home, card, draft.files, step)
    splits = {row["text"]: row["split"] for row in step.partition(Lake(home)).table().to_pylist()}
    assert texts
    assert {splits[text] for text in texts} == {"train"}


def test_a_class_whose_texts_are_all_the_same_is_reported(tmp_path):
    draft = read(write(tmp_path / "mine.csv", [*ROWS, *[("again", "c")] * 3]))
    with pytest.raises(DataError, match=r"class 'c' .* no training rows left once repeated texts are removed"):
        propose(Home(tmp_path / "home"), model(), draft)


def test_words_are_proposed_and_prompts_shown_in_the_classes_turn(tmp_path):
    """The tiny model has too few words to propose any: names that are tokens of it serve."""
    rows = [(row["text"], {"neg": "bad", "pos": "positive", "tale": "story"}[row["label"]]) for row in sentences()]
    draft = read(write(tmp_path / "mine.csv", rows))
    proposal = propose(Home(tmp_path / "home"), model(), draft)
    assert proposal.words == list(draft.counts) == ["bad", "positive", "story"]
    shown = proposal.prompts
    assert [label for _, label in shown] == proposal.words
    assert proposal.longest <= proposal.max_tokens <= model().max_tokens
    texts = {f'review: "{text}"\nstars:': label for text, label in rows}
    assert all(texts[prompt] == label for prompt, label in shown)


SEVERAL = [("a bad story", "bad;story"), ("one positive film", "positive"), ("a plot", ""), ("bad film", "bad; bad")]


def test_what_stands_between_labels_makes_a_card_of_any_number_of_them(tmp_path):
    rows = [(f"{text} {number}", value) for number in range(5) for text, value in SEVERAL]
    draft = read(write(tmp_path / "mine.csv", rows), separator=";")
    assert draft.counts == {"bad": 10, "positive": 5, "story": 5}
    card = DatasetCard.model_validate(draft.card(list(draft.counts)))
    assert (card.label_kind, card.separator, card.label_names) == ("multi", ";", ["bad", "positive", "story"])
    assert card.description == "20 rows of mine.csv"
    division = divide(card, draft.files, tmp_path)
    read_again = [row for split in division.splits.values() for row in split.label.astype(int).tolist()]
    assert sorted(map(tuple, read_again)) == sorted([(1, 0, 1), (0, 1, 0), (0, 0, 0), (1, 0, 0)] * 5)
    proposal = propose(Home(tmp_path / "home"), model(), draft)
    assert proposal.words == list(draft.counts)
    assert {words for _, words in proposal.prompts} <= {"bad, story", "positive", "", "bad"}


def test_several_labels_in_one_are_guessed_at_where_classes_are_rare(tmp_path):
    path = write(tmp_path / "mine.csv", [*ROWS, ("both", "a;b")])
    with pytest.raises(
        DataError, match=r"fewer than 3 rows: 'a;b' \(1\).*or as --label-separator what stands between several"
    ):
        read(path)
    assert read(path, separator=";").counts == {"a": 7, "b": 7}
    with pytest.raises(DataError, match="--label-separator is empty: give what stands between the labels of a row"):
        read(path, separator="")
