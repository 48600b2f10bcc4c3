"""Any number of labels a row, from files to examples and shots."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocabsem.datasets.test_examples import csv_file, make_card, of, read  # noqa: F401  # fixtures
from vocabsem.cards.schema import DatasetCard, Label
from vocabsem.datasets.label_values import LabelColumn, label_counts, label_text, strata
from vocabsem.datasets.shots import choose_shots
from vocabsem.errors import DataError

NAMES = ("corn", "oil", "gold")
LABELS = [Label(name=name, value=name, word=name) for name in NAMES]
SEVERAL = {"labels": LABELS, "label_kind": "multi", "separator": ";"}
ROWS = [("a", "corn"), ("b", ""), ("c", "gold; corn"), ("d", "oil;oil"), ("e", "  ")]
SETS = [[1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_row_has_the_labels_between_separators_or_none(read, csv_file):  # noqa: F811
    files = {"train": csv_file("train", ROWS), "test": csv_file("test", [("f", "oil")])}
    examples = read(files, **SEVERAL)
    assert examples.labels.dtype == bool
    assert examples.labels.astype(int).tolist() == [*SETS, [0, 1, 0]]
    assert examples.facts.counts["train"] == {"corn": 2, "oil": 1, "gold": 1}
    assert examples.facts.without_label == {"train": 2, "test": 0}
    assert examples.facts.majority_share == {"train": 0.4, "test": 1.0}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_a_column_of_lists_needs_no_separator(read, tmp_path, form):  # noqa: F811
    files = {}
    for split in ("train", "test"):
        path = files[split] = tmp_path / f"{split}.{form}"
        rows = [
            {"text": f"{split} {text}", "label": [n.strip() for n in value.split(";") if n.strip()]}
            for text, value in ROWS
        ]
        rows[1]["label"] = None
        if form == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif form == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with path.open("w", newline="") as file:
                cells = [[row["text"], json.dumps(row["label"]) if row["label"] else ""] for row in rows]
                csv.writer(file).writerows([["text", "label"], *cells])
    examples = read(files, format=form, labels=LABELS, label_kind="multi")
    assert examples.labels.astype(int).tolist() == [*SETS, *SETS]


def test_rows_are_divided_at_random_and_each_label_is_counted(read, csv_file):  # noqa: F811
    values = [";".join(name for name, there in zip(NAMES, np.binary_repr(i % 8, 3), strict=True) if there == "1")
              for i in range(400)]  # fmt: skip
    path = csv_file("all", [(f"text {i}", value) for i, value in enumerate(values)])
    examples = read({"all": path}, **SEVERAL, split={"test": 0.25, "validation": 0.1})
    sizes = {split: examples.split.count(split) for split in ("train", "validation", "test")}
    assert sizes == {"train": 270, "validation": 30, "test": 100}
    assert examples.facts.split_rule.endswith("at random, seed 42")
    test = examples.labels[np.array(examples.split) == "test"]
    # hypergeometric: 100 of 400, half of which have a label, deviate by 4.3 rows
    assert np.abs(test.sum(0) - 50).max() < 4 * 4.4
    assert examples.facts.counts["test"] == dict(zip(NAMES, test.sum(0).tolist(), strict=True))
    assert of(examples, "test") != [f"text {i}" for i in range(100)]


def test_one_text_with_other_labels_is_named(read, csv_file):  # noqa: F811
    rows = [("same", "corn;oil"), ("same", ""), ("more", "gold"), ("more", "gold")]
    examples = read({"train": csv_file("train", rows), "test": csv_file("test", [("f", "oil")])}, **SEVERAL)
    assert examples.contradictions == ["train-000000 is 'corn, oil', train-000001 is ''"]
    assert of(examples, "train") == ["same", "more"]


def test_labels_that_are_not_in_the_card_can_be_left_out_without_their_rows(read, csv_file):  # noqa: F811
    rows = [("a", "corn;tin"), ("b", "tin"), ("c", "oil")]
    files = {"train": csv_file("train", rows), "test": csv_file("test", [("f", "oil")])}
    examples = read(files, **SEVERAL, drop_unlisted=True)
    assert examples.labels.astype(int).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert examples.facts.unlisted_dropped == 2


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([("a", "corn;;oil")], {}, r"row 0 of .*train.csv .* has an empty label name in 'corn;;oil', column 'label': "
         r"take out the ';' beside it"),
        ([("a", "corn"), ("b", "corn;")], {}, "row 1 .* has an empty label name in 'corn;'"),
        ([("a", '"[""corn"", null]"')], {"separator": None}, "has an empty label name .*: take it out of the list"),
        ([("a", "corn;tin")], {}, "has 'tin' in the label column 'label': the card's labels are 'corn', 'oil', 'gold'"),
        ([("a", "corn")], {"separator": None}, "has 'corn' in the label column 'label', no list of labels: set 'separ"),
        ([("a", '"{""corn"": 1}"')], {"separator": None}, "no list of labels"),
        ([("a", "corn"), ("b", "corn")], {}, "every training row of dataset 'toy' is of class 'corn': nothing can be"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_read_are_one_error(read, csv_file, rows, changes, message):  # noqa: F811
    files = {"train": csv_file("train", rows), "test": csv_file("test", [("f", "oil")])}
    if changes:
        files["test"] = csv_file("test", [("f", '"[""oil""]"')])
    with pytest.raises(DataError, match=message):
        read(files, **SEVERAL | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_kind": "nominal"}, "separator ';' stands between several labels: set label_kind to 'multi'"),
        ({"separator": "r"}, "label value 'corn' holds the separator 'r': give another"),
        ({"separator": ""}, "separator"),
    ],
)
def test_a_separator_that_cannot_be_is_one_error(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_card({"train": tmp_path, "test": tmp_path}, **SEVERAL | changes)


def test_only_cards_of_several_labels_have_other_content(tmp_path):
    files = {"train": tmp_path, "test": tmp_path}
    plain = make_card(files, labels=LABELS)
    assert plain.content() == make_card(files, labels=LABELS, label_kind="ordinal").content()
    assert not {"separator", "label_kind"} & plain.content().keys()
    lists, separated = (make_card(files, **SEVERAL | {"separator": each}) for each in (None, ";"))
    added = [each.content() for each in (lists, separated)]
    assert [each.get("label_kind") for each in added] == ["multi", "multi"]
    assert [each.get("separator") for each in added] == [None, ";"]


def test_one_label_a_row_is_read_as_before():
    card = DatasetCard.model_construct(labels=LABELS, label_kind="nominal", drop_unlisted=True, label_column="label")
    column = LabelColumn(card)
    assert column.read("oil", "row") == (1, 0)
    assert column.read("tin", "row") == (None, 1)
    assert column.stack([1, 0]).dtype == np.int64
    assert label_counts(column.stack([1, 1]), 3).tolist() == [0, 2, 0]
    assert label_text(NAMES, 2) == "gold"
    assert strata(np.array([2, 0])).tolist() == [2, 0]


@st.composite
def several(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """(N, L) of which each label is on some rows, and the rows of the rarest label."""
    rows, labels = draw(st.integers(4, 40)), draw(st.integers(2, 5))
    there = np.random.default_rng(draw(st.integers(0, 9999))).random((rows, labels)) < draw(st.floats(0.1, 0.8))
    there[0], there[1] = True, False
    return there, int(there.sum(0).min())


@given(several(), st.integers(0, 999), st.data())
@settings(max_examples=60)
def test_shots_hold_as_many_rows_of_each_label_and_of_none(case, seed, data):
    labels, rarest = case
    shots = data.draw(st.integers(0, rarest))
    chosen = choose_shots(labels, shots, seed, labels.shape[1])
    assert len(set(chosen.tolist())) == len(chosen) <= shots * (labels.shape[1] + 1)
    assert (labels[chosen].sum(0) >= shots).all()
    assert (~labels[chosen].any(1)).sum() == min(shots, (~labels.any(1)).sum())
    most = choose_shots(labels, rarest, seed, labels.shape[1])
    np.testing.assert_array_equal(chosen, most[: len(chosen)])


def test_shots_are_all_rows_or_one_error():
    labels = np.array([[1, 0], [0, 0], [1, 1]], bool)
    assert choose_shots(labels, "all", 0, 2).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="2 shots of class 1, which has 1 training rows: choose at most 1"):
        choose_shots(labels, 2, 0, 2)
    assert len(choose_shots(labels, 2, 0, 2, on_insufficient="use_all")) == 3
    with pytest.raises(DataError, match="expected 2 columns, and a label that some rows have and others do not"):
        choose_shots(np.ones((3, 2), bool), 1, 0, 2)
    with pytest.raises(DataError, match="expected 3 columns"):
        choose_shots(labels, 1, 0, 3)
