"""Files of texts with numbers to cards that read them."""

import numpy as np
import pytest

from tasks.views.numbers_draft import draft_numbers
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import DataError

WORDS = ("dull", "great")


def written(path, numbers, header="text,score"):
    path.write_text(header + "\n" + "".join(f"text {n},{number}\n" for n, number in enumerate(numbers)))
    return {"all": path}


def test_the_card_reads_the_numbers_that_it_was_made_from(tmp_path):
    numbers = [round(float(n), 3) for n in np.random.default_rng(0).normal(3, 1, 100)]
    draft = draft_numbers(written(tmp_path / "rated.csv", numbers), "text", "score", "rated", WORDS)
    assert draft.rows == 100
    card = DatasetCard.model_validate(draft.card)
    assert card.label_range == pytest.approx(np.quantile(numbers, [0.05, 0.95]), rel=1e-3)
    assert card.label_words == list(WORDS)
    examples = read_examples(card, {"all": tmp_path / "rated.csv"}, limits={}, cache=tmp_path)
    by_text = {f["text"]: label for f, label in zip(examples.fields, examples.labels.tolist(), strict=True)}
    assert by_text == {f"text {n}": number for n, number in enumerate(numbers)}
    assert {split: examples.split.count(split) for split in ("train", "validation", "test")} == {
        "train": 72,
        "validation": 8,
        "test": 20,
    }


def test_names_of_columns_may_hold_what_templates_mean(tmp_path):
    files = written(tmp_path / "rated.csv", range(30), header="text,{score}")
    draft = draft_numbers(files, "text", "{score}", "rated", (" dull", "great "))
    card = DatasetCard.model_validate(draft.card)
    assert card.template.format(text="hello") == "hello\n{score}:"
    assert card.label_words == list(WORDS)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([1, 2, "three"], r"row 2 of .*rated\.csv has 'three' in column 'score', which is no finite number"),
        ([1, 2, "nan"], "has 'nan' in column 'score'"),
        ([1, 2, "1_000"], "has '1_000' in column 'score'"),
        ([1, 2, ""], "has '' in column 'score'"),
        ([4] * 30, "has 4 in nine of ten rows or more: numbers have to differ"),
    ],
)
def test_what_is_no_number_is_one_error(tmp_path, numbers, message):
    with pytest.raises(DataError, match=message):
        draft_numbers(written(tmp_path / "rated.csv", numbers), "text", "score", "rated", WORDS)
