"""Files of questions to cards that read them: how the right option is named is inferred, or an error names the row."""

import json

import pytest

from tasks.views.choices_draft import draft_choices
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import DataError

QUESTIONS = [(f"question {n}", [f"{n} {c}" for c in "abcd"[: 2 + n % 3]], n % 2) for n in range(30)]
EVEN = [(question, [*options, "x", "y"][:4], label) for question, options, label in QUESTIONS]
SHAPES = {
    "places from 0": lambda options, right: right,
    "places from 1": lambda options, right: right + 1,
    "letters": lambda options, right: "ABCD"[right],
    "texts of the right option": lambda options, right: options[right],
}


def written(path, questions, answer):
    rows = [{"q": q, "o": options, "a": answer(options, right)} for q, options, right in questions]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"all": path}


@pytest.mark.parametrize("labels", SHAPES)
def test_the_card_reads_the_questions_that_it_was_made_from(tmp_path, labels):
    files = written(tmp_path / "quiz.jsonl", QUESTIONS, SHAPES[labels])
    draft = draft_choices(files, "q", "a", "quiz", ["o"])
    assert (draft.rows, draft.options, draft.labels) == (30, (2, 4), labels)
    assert "letters" not in draft.card["choices"], "rows differ in their number of options"
    examples = read_examples(DatasetCard.model_validate(draft.card), files, limits={}, cache=tmp_path)
    read = {f["text"]: (f, label) for f, label in zip(examples.fields, examples.labels.tolist(), strict=True)}
    for question, options, right in QUESTIONS:
        fields, label = read[question]
        assert [fields[c] for c in "ABCD" if c in fields] == options
        assert label == right


def test_rows_of_as_many_options_have_a_prompt_of_letters(tmp_path):
    files = written(tmp_path / "quiz.jsonl", EVEN, SHAPES["letters"])
    letters = draft_choices(files, "q", "a", "quiz", ["o"]).card["choices"]["letters"]
    assert letters == "Question: {text}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"


def test_options_in_columns_of_their_own(tmp_path):
    path = tmp_path / "quiz.csv"
    path.write_text("q,one,two,right\n" + "".join(f"question {n},a{n},b{n},{1 + n % 2}\n" for n in range(20)))
    draft = draft_choices({"all": path}, "q", "right", "quiz", ["one", "two"])
    assert draft.card["choices"]["columns"] == ["one", "two"]
    assert draft.labels == "places from 1"
    assert DatasetCard.model_validate(draft.card).classes == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": "neither"}, "column 'a' of .* has 'neither' for the options 'ice', 'tea': give in all rows the place"),
        ({"a": ""}, "row 1 of .* has no label in column 'a'"),
        ({"o": ["ice"]}, "row 1 of .* has 1 option in column 'o'"),
        ({"o": None}, "row 1 of .* has no options in column 'o'"),
    ],
)
def test_what_cannot_be_a_question_is_refused(tmp_path, changes, message):
    rows = [{"q": "one", "o": ["ice", "tea"], "a": "ice"}, {"q": "two", "o": ["ice", "tea"], "a": "tea"} | changes]
    path = tmp_path / "quiz.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=message):
        draft_choices({"all": path}, "q", "a", "quiz", ["o"])
