"""Rows whose options differ: the multiple-choice files of the harnesses as they are, and what is refused in them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.vocabsem.datasets.test_examples import make_card
from vocabsem.cards.base import Choices
from vocabsem.cards.schema import Label
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import DataError

LABELS = [Label(name=letter, value=[i, letter, str(i + 1) + "."], word=letter) for i, letter in enumerate("ABCD")]
QUESTIONS = [
    ("What is frozen water?", ["ice", "steam", "sand", "milk"], 0),
    ("What is hot water vapor?", ["ice", "steam", "sand", "milk"], 1),
    ("What do cows give?", ["wool", "silk", "milk"], 2),
    ("What lies on beaches?", ["sand", "tea"], 0),
]


def choice_card(files, columns, field, label, **changes):
    choices = {"columns": columns} | changes.pop("choices", {})
    return make_card(
        files,
        **{"format": "jsonl", "fields": {"text": field}, "label_column": label, "labels": LABELS}
        | {"label_kind": "choice", "choices": Choices(**choices), "template": "Q: {text}\nA:"}
        | changes,
    )


def written(folder, rows):
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"train": path, "test": path}


def read(files, columns, field, label, **changes):
    card = choice_card(files, columns, field, label, **changes)
    return read_examples(card, files, limits={}, cache=next(iter(files.values())).parent / "cache")


SHAPES = {
    "question/choices/answer": (
        lambda q, o, i: {"question": q, "choices": o, "answer": i},
        "choices",
        "question",
        "answer",
    ),
    "query/choices/gold": (lambda q, o, i: {"query": q, "choices": o, "gold": [i]}, "choices", "query", "gold.0"),
    "ctx/endings/label": (lambda q, o, i: {"ctx": q, "endings": o, "label": str(i)}, "endings", "ctx", "label"),
    "ARC": (
        lambda q, o, i: {
            "question": {"stem": q, "choices": [{"text": t, "label": c} for t, c in zip(o, "ABCD", strict=False)]},
            "answerKey": "ABCD"[i],
        },
        *("question.choices.text", "question.stem", "answerKey"),
    ),
    "ARC of datasets": (
        lambda q, o, i: {"question": q, "choices": {"text": o, "label": list("ABCD")}, "answerKey": f"{i + 1}."},
        *("choices.text", "question", "answerKey"),
    ),
    "a column each": (
        lambda q, o, i: {"q": q, **{f"o{n}": o[n] if n < len(o) else "" for n in range(4)}, "right": i},
        *(["o0", "o1", "o2", "o3"], "q", "right"),
    ),
    "JSON in text": (lambda q, o, i: {"q": q, "o": json.dumps(o), "right": "ABCD"[i]}, "o", "q", "right"),
}


def of_questions(examples):
    """Question, options and place of the right one of the test rows, as `QUESTIONS` has them."""
    rows = [i for i, split in enumerate(examples.split) if split == "test"]
    every = [(examples.fields[i], int(examples.labels[i])) for i in rows]
    return [(fields["text"], [fields[c] for c in "ABCD" if c in fields], label) for fields, label in every]


@pytest.fixture
def files(tmp_path):
    """Writes rows as JSON lines; the training row is one more."""

    def write(shape, questions=QUESTIONS):
        other = shape("Which one is white?", ["snow", "coal", "soot", "tar"], 0)
        (tmp_path / "train.jsonl").write_text(json.dumps(other) + "\n")
        return written(tmp_path, [shape(*each) for each in questions]) | {"train": tmp_path / "train.jsonl"}

    return write


@pytest.mark.parametrize("name", SHAPES)
def test_the_files_of_harnesses_are_read_as_they_are(files, name):
    shape, columns, field, label = SHAPES[name]
    assert of_questions(read(files(shape), columns, field, label)) == QUESTIONS


@pytest.mark.parametrize("name", ["question/choices/answer", "ARC", "ARC of datasets"])
def test_parquet_has_the_same_rows(tmp_path, files, name):
    shape, columns, field, label = SHAPES[name]
    paths = {}
    for split, path in files(shape).items():
        paths[split] = tmp_path / f"{split}.parquet"
        pq.write_table(pa.Table.from_pylist([json.loads(line) for line in path.read_text().splitlines()]), paths[split])
    assert of_questions(read(paths, columns, field, label, format="parquet")) == QUESTIONS


def test_the_label_may_be_the_text_of_the_right_option(files):
    paths = files(lambda q, o, i: {"q": q, "o": o, "right": f" {o[i]} "})
    assert of_questions(read(paths, "o", "q", "right", choices={"answer": "text"})) == QUESTIONS


def test_options_that_are_numbers_are_text_whatever_the_label(files):
    questions = [("2 + 1?", [1, 2, 3, 0], 2)]
    read_back = of_questions(read(files(lambda q, o, i: {"q": q, "o": o, "i": i}, questions), "o", "q", "i"))
    assert read_back == [("2 + 1?", ["1", "2", "3", "0"], 2)]


def test_one_question_with_other_options_is_another_example(files):
    questions = [("Which is it?", ["a", "b"], 0), ("Which is it?", ["a", "c"], 1), ("Which is it?", ["a", "c"], 1)]
    paths = files(lambda q, o, i: {"q": q, "o": o, "i": i}, questions)
    examples = read({"train": paths["test"], "test": paths["train"]}, "o", "q", "i")
    assert examples.split.count("train") == 2
    assert not examples.contradictions


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"o": None}, "row 0 of .* has no options in column 'o': fix the row, or choices.columns"),
        ({"o": []}, "row 0 .* has no options in column 'o': give it two or more"),
        ({"o": ["ice"]}, "row 0 .* has 1 option in column 'o': give it two or more"),
        ({"o": ["ice", " ", "tea"]}, "row 0 .* has an empty option 2 in column 'o'"),
        ({"o": ["ice", None]}, "row 0 .* has an empty option 2 in column 'o'"),
        ({"o": "ice, steam"}, "row 0 .* has 'ice, steam' in column 'o', no list of options: write one in JSON"),
        ({"o": [{"text": "ice"}, {"text": "tea"}]}, "row 0 .* no text: name .* as in choices.columns: o.text"),
        ({"o": list("abcde")}, "row 0 .* has 5 options in column 'o', and the card 4 labels: add labels"),
        ({"i": 3}, "row 0 .* has '3' in the label column 'i', which is option 4, and it has 3 options: fix the row"),
        ({"i": 7}, "row 0 .* has '7' in the label column 'i': the card's labels are '0', 'A'"),
        ({"i": None}, "row 0 .* has '' in the label column 'i'"),
        ({"i": [0]}, r"column 'i' holds '\[0\]', no text: .* name a path to a text in it, as in gold.0"),
        ({"q": ""}, "row 0 .* has an empty text in column 'q'"),
    ],
)
def test_bad_rows_are_refused(tmp_path, row, message):
    good = {"q": "What is frozen water?", "o": ["ice", "steam", "sand"], "i": 0}
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, [good | row]), "o", "q", "i")


def test_a_text_that_is_none_of_the_options_is_refused(tmp_path):
    rows = written(tmp_path, [{"q": "What?", "o": ["ice", "tea"], "i": "milk"}])
    with pytest.raises(DataError, match="'milk' in the label column 'i', which is none of its options 'ice', 'tea'"):
        read(rows, "o", "q", "i", choices={"answer": "text"})
    rows = written(tmp_path, [{"q": "What?", "o": ["tea", "tea"], "i": "tea"}])
    with pytest.raises(DataError, match="which is 2 of its options"):
        read(rows, "o", "q", "i", choices={"answer": "text"})


def test_letters_need_an_option_each(tmp_path):
    rows = written(tmp_path, [{"q": "What?", "o": ["ice", "tea", "sand"], "i": 0}])
    letters = "Q: {text} A. {A} B. {B} C. {C} D. {D} Answer:"
    with pytest.raises(
        DataError, match=r"row 0 .* has 3 options in column 'o', and choices.letters in the card names 4"
    ):
        read(rows, "o", "q", "i", choices={"letters": letters})


def test_a_column_or_a_path_that_is_not_there_is_named(tmp_path):
    rows = written(tmp_path, [{"q": "What?", "o": ["ice", "tea"], "i": 0}])
    with pytest.raises(DataError, match=r"has no column 'options.text'"):
        read(rows, "options.text", "q", "i")
    with pytest.raises(DataError, match=r"row 0 .* has an empty text in column 'o.stem'"):
        read(rows, "o", "o.stem", "i")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_kind": "nominal"}, "label_kind: choice and choices go together"),
        ({"choices": None}, "label_kind: choice and choices go together"),
        ({"choices": Choices(columns=["a", "b"])}, "choices.columns has 2 columns for 4 labels"),
        ({"choices": Choices(columns="o", letters="{text} {A} {B}:")}, "choices.letters names 'A', 'B', 'text', but"),
        ({"fields": {"A": "q"}, "template": "{A}"}, "fields and labels share the name 'A'"),
    ],
)
def test_cards_that_contradict_themselves_are_refused(tmp_path, changes, message):
    good = {"label_kind": "choice", "choices": Choices(columns="o"), "labels": LABELS}
    with pytest.raises(ValueError, match=message):
        make_card({"train": tmp_path / "a", "test": tmp_path / "b"}, **(good | changes))


def test_the_prompt_of_letters_changes_no_key_of_examples(tmp_path):
    files = written(tmp_path, [])
    plain = choice_card(files, "o", "q", "i")
    letters = "{text} {A} {B} {C} {D}:"
    assert choice_card(files, "o", "q", "i", choices={"letters": letters}).content() == plain.content()
    assert choice_card(files, "p", "q", "i").content() != plain.content()
    assert "choices" not in make_card(files).content()
