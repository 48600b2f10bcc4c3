"""Source files to the partition of examples."""

import json
from collections import Counter

import pytest

from flows.reporting.data_notes import plan_notes
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tests.tasks.worlds import SPLITS, World, half_written, sentences, snapshot
from vocabsem.errors import SourceError
from warehouse.lake.partition import Lake


def table_of(plan):
    (pair,) = plan.pairs
    return pair.examples.partition(Lake(plan.home)).table()


def test_every_source_row_is_there_once_with_its_label(done):
    table = table_of(done)
    expected = {row["text"]: row["label"] for row in sentences()}
    assert dict(zip(table["text"].to_pylist(), table["label_name"].to_pylist(), strict=True)) == expected
    assert [dict(fields) for fields in table["fields"].to_pylist()] == [{"text": t} for t in table["text"].to_pylist()]
    names = [label.name for label in done.pairs[0].dataset.labels]
    assert [names[label] for label in table["label"].to_pylist()] == table["label_name"].to_pylist()
    assert Counter(table["split"].to_pylist()) == SPLITS
    assert len(set(table["id"].to_pylist())) == len(table)


def test_test_rows_are_those_of_the_test_file_in_its_order(done):
    table = table_of(done).to_pylist()
    assert [row["text"] for row in table if row["split"] == "test"] == [row["text"] for row in sentences()[-24:]]


def test_facts_count_what_the_table_holds(done):
    manifest = done.pairs[0].examples.partition(Lake(done.home)).manifest()
    table = table_of(done)
    assert manifest.rows == len(table)
    assert manifest.facts["rows"] == SPLITS
    assert manifest.facts["classes"] == [
        {"label": 0, "name": "neg", "word": "bad"},
        {"label": 1, "name": "pos", "word": "positive"},
        {"label": 2, "name": "tale", "word": "story"},
    ]
    for split, counts in manifest.facts["counts"].items():
        rows = [row for row in table.to_pylist() if row["split"] == split]
        assert counts == Counter(row["label_name"] for row in rows)
    assert all(check["passed"] for check in manifest.checks)


def test_a_text_with_two_labels_is_a_check_that_failed_and_a_note_of_the_plan(world):
    rows = sentences()[: SPLITS["train"]]
    lines = map(json.dumps, [*rows, rows[0] | {"label": "tale"}])
    (world.folder / "train.jsonl").write_text("\n".join(lines))
    plan = world.plan()
    (pair,) = plan.pairs
    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
    manifest = pair.examples.partition(Lake(plan.home)).manifest()
    (failed,) = [check for check in manifest.checks if not check["passed"] and check["name"] == "one label for a text"]
    assert failed["severity"] == "warn"
    assert failed["detail"] == f"train-000000 is {rows[0]['label']!r}, train-{len(rows):06d} is 'tale'"
    assert ("made", "1 repeated texts removed from training") in plan_notes(plan)
    assert any(note.startswith("1 texts stand with different labels") for _, note in plan_notes(plan))


def test_limits_are_obeyed_by_class(world):
    plan = world.plan(**{"limits.train": 12, "limits.test": 9})
    (pair,) = plan.pairs
    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
    rows = table_of(plan).to_pylist()
    assert Counter(row["split"] for row in rows) == {"train": 12, "validation": 20, "test": 9}
    by_class = Counter((row["split"], row["label"]) for row in rows)
    assert {by_class["train", label] for label in range(3)} == {4}, "stratified"
    assert {by_class["test", label] for label in range(3)} == {3}


def test_a_published_partition_keeps_its_bytes(world):
    plan = world.plan()
    (pair,) = plan.pairs
    files = fetch_card.fn(plan.home, pair.dataset)
    build_examples.fn(plan.home, pair.dataset, files, pair.examples)
    before = snapshot(plan.home.lake)
    build_examples.fn(plan.home, pair.dataset, files, pair.examples)
    assert snapshot(plan.home.lake) == before


def test_a_check_states_of_a_class_that_a_split_lacks(tmp_path):
    rows = sentences()
    rows[-24:] = [row for row in rows if row["label"] != "tale"][-24:]
    plan = World(tmp_path, rows=rows).plan()
    (pair,) = plan.pairs
    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
    checks = {c["name"]: c for c in pair.examples.partition(Lake(plan.home)).manifest().checks}
    assert not checks["every class in test"]["passed"]
    assert checks["every class in test"]["detail"] == "2 of 3"
    assert checks["every class in train"]["passed"]


def test_bytes_that_the_card_does_not_declare_are_refused(tmp_path):
    world = World(tmp_path, dataset={"sha256": {"train": "0" * 64}})
    (pair,) = world.plan().pairs
    with pytest.raises(SourceError, match="its card says 0000"):
        fetch_card.fn(world.home, pair.dataset)
    assert not world.home.lake.exists()
    assert not half_written(world.home)


def test_a_changed_source_is_another_partition(world):
    before = world.plan().pairs[0].examples.key
    path = world.folder / "test.jsonl"
    path.write_text(path.read_text().replace("film", "plot", 1))
    assert world.plan().pairs[0].examples.key != before
