import bz2
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.cards.loader import load_card
from vocabsem.cards.schema import DatasetCard, Label, SplitRule
from vocabsem.datasets.apportion import apportion
from vocabsem.datasets.examples import divide, read_examples
from vocabsem.errors import DataError

WORDS = ["dull", "grand", "odd", "fine", "sly", "warm", "cold", "bright"]


def make_card(files, **changes):
    fields = {
        "name": "toy",
        "description": "toy",
        "license": "none",
        "files": {name: f"file:{path}" for name, path in files.items()},
        "format": "csv",
        "fields": {"text": "text"},
        "label_column": "label",
        "labels": [Label(name="no", value=0, word="bad"), Label(name="yes", value=1, word="good")],
        "template": "{text}:",
    }
    return DatasetCard(**(fields | changes))


@pytest.fixture
def read(tmp_path):
    """Reads a card's files, given as paths, with its caches in the test's folder."""

    def read(files, *, limits=None, seed=0, **changes):
        card = make_card(files, **changes)
        return read_examples(card, files, limits=limits or {}, seed=seed, cache=tmp_path / "cache")

    return read


@pytest.fixture
def csv_file(tmp_path):
    def write(name, rows, header="text,label", sep=","):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join([header, *(sep.join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
        return path

    return write


def many(count, classes=2, word="text"):
    return [(f"{word} {i}", i % classes) for i in range(count)]


def of(examples, split):
    return [fields["text"] for fields, s in zip(examples.fields, examples.split, strict=True) if s == split]


# Formats


def test_csv_rows_come_in_order_with_ids_that_name_file_and_row(read, csv_file):
    files = {"train": csv_file("train", [("a", 0), ("b", 1), ("c", 1)]), "test": csv_file("test", [("d", 1)])}
    examples = read(files)
    assert examples.ids == ["train-000000", "train-000001", "train-000002", "test-000000"]
    assert examples.split == ["train", "train", "train", "test"]
    assert examples.labels.dtype == np.int64
    assert examples.labels.tolist() == [0, 1, 1, 1]
    assert examples.fields == [{"text": t} for t in "abcd"]


def test_csv_text_stays_text(read, csv_file):
    """pandas alone would make missing values of NA and null, and a number of 007."""
    texts = ["NA", "null", "None", "007", "1e5", "True", "nan", '"quoted, with ""marks"""', "naïve café"]
    labels = ["01", "1"]
    rows = [(text, labels[i % 2]) for i, text in enumerate(texts)]
    files = {"train": csv_file("train", rows), "test": csv_file("test", [("x", 1)])}
    card_labels = [Label(name="no", value="01", word="bad"), Label(name="yes", value=1, word="good")]
    examples = read(files, labels=card_labels)
    assert of(examples, "train") == [*texts[:-2], 'quoted, with "marks"', texts[-1]]
    assert examples.labels[:4].tolist() == [0, 1, 0, 1]


def test_tab_files_with_header_lines_of_types_and_roles(read, tmp_path):
    path = tmp_path / "orange.tab"
    path.write_text('Category\tText\nd\tstring\nclass\t\nno\tit is "so" dull\nyes\tgrand, truly\n\n', encoding="utf-8")
    labels = [Label(name="no", value="no", word="bad"), Label(name="yes", value="yes", word="good")]
    examples = read(
        {"train": path, "test": _copy(path, "yes\tonly here\n")},
        options={"sep": "\t", "skiprows": [1, 2]},
        fields={"text": "Text"},
        label_column="Category",
        labels=labels,
    )
    assert of(examples, "train") == ['it is "so" dull', "grand, truly"]
    assert of(examples, "test") == ["only here"]


def _copy(path: Path, body: str) -> Path:
    other = path.with_stem(path.stem + "-test")
    other.write_text("Category\tText\nd\tstring\nclass\t\n" + body, encoding="utf-8")
    return other


def test_compressed_csv_with_several_values_a_class_and_empty_rows(read, tmp_path):
    path = tmp_path / "all.csv.bz2"
    rows = [f"{kind},{word} {kind} {i}" for i, word in enumerate(WORDS) for kind in ("fresh", "rotten", "plot")]
    path.write_bytes(bz2.compress("\n".join(["category,text", *rows, "plot,", "fresh,  "]).encode()))
    labels = [Label(name="review", value=["fresh", "rotten"], word="a"), Label(name="plot", value="plot", word="b")]
    options = {"label_column": "category", "labels": labels, "split": SplitRule(test=0.25)}
    with pytest.raises(DataError, match=r"row 24 of .* has an empty text in column 'text': fix the row"):
        read({"all": path}, **options)
    examples = read({"all": path}, drop_empty=True, **options)
    assert examples.facts.empty_dropped == 2
    assert examples.facts.rows_read == {"all": 26}


def test_folders_of_texts_by_class_in_any_encoding(read, tmp_path):
    folder = tmp_path / "news"
    for kind in ("sports", "tech"):
        (folder / kind).mkdir(parents=True)
        for i, word in enumerate(WORDS):
            (folder / kind / f"{i:03}.txt").write_text(f"{kind} is {word}\n\nSecond paragraph.\n")
    (folder / "sports" / "000.txt").write_bytes(b"a \xa315.8m signing")
    labels = [Label(name="sport", value="sports", word="sport"), Label(name="tech", value="tech", word="tech")]
    options = {"format": "folder", "labels": labels, "split": SplitRule(test=0.25)}
    with pytest.raises(DataError, match=r"cannot read .*news as folder: 'utf-8' codec can't decode"):
        read({"all": folder}, **options)
    examples = read({"all": folder}, options={"encoding": "utf-8", "encoding_errors": "replace"}, **options)
    texts = {fields["text"]: label for fields, label in zip(examples.fields, examples.labels, strict=True)}
    assert texts["a \N{REPLACEMENT CHARACTER}15.8m signing"] == 0
    assert texts["tech is odd\n\nSecond paragraph."] == 1
    assert len(texts) == 16
    with pytest.raises(DataError, match="has 'tech' in the label column 'label': the card's labels are 'sports', 'c'"):
        read({"all": folder}, options={"encoding": "latin-1"}, **options | {"labels": [labels[0], _label("c")]})


def _label(value):
    return Label(name=str(value), value=value, word=str(value))


def test_json_lines_and_parquet(read, tmp_path):
    import pandas as pd

    rows = pd.DataFrame({"text": ["a", "b", "c"], "label": [0, 1, 1]})
    rows.to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"text": ["d"], "label": [0]}).to_parquet(tmp_path / "test.parquet")
    parquet = read({s: tmp_path / f"{s}.parquet" for s in ("train", "test")}, format="parquet")
    for split in ("train", "test"):
        table = pd.read_parquet(tmp_path / f"{split}.parquet").astype({"label": str})
        table.to_json(tmp_path / f"{split}.jsonl", orient="records", lines=True)
    lines = read({s: tmp_path / f"{s}.jsonl" for s in ("train", "test")}, format="jsonl")
    assert parquet.fields == lines.fields == [{"text": t} for t in "abcd"]
    assert parquet.labels.tolist() == lines.labels.tolist() == [0, 1, 1, 0]


def test_a_hub_folder_is_distinguished_by_datasets_itself(tmp_path):
    import pandas as pd

    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for split, texts in {"train": "ab", "validation": "cd", "test": "ef"}.items():
        frame = pd.DataFrame({"text": list(texts), "label": [0, 1]})
        frame.to_parquet(snapshot / f"{split}-00000-of-00001.parquet")
    card = make_card({"all": snapshot}, format="hub", splits={"train": "train+validation", "test": "test"})
    examples = read_examples(card, {"all": snapshot}, limits={}, seed=0, cache=tmp_path / "cache")
    assert of(examples, "train") == list("abcd")
    assert of(examples, "test") == list("ef")
    assert examples.ids[2] == "train-000002"


def test_pairs_of_sentences(read, csv_file):
    rows = [("a", "b", 0), ("a", "c", 1), ("a", "b", 0)]
    files = {
        "train": csv_file("train", rows, "s1,s2,label"),
        "test": csv_file("test", [("b", "a", 1)], "s1,s2,label"),
    }
    examples = read(files, fields={"premise": "s1", "hypothesis": "s2"}, template="{premise} {hypothesis}:")
    assert examples.fields[1] == {"premise": "a", "hypothesis": "c"}
    # Rows are the same when all their fields are: (a, b) and (b, a) are not.
    assert examples.facts.duplicates_removed == {"repeated": 1, "also_in_test_or_validation": 0}


# Splits


def test_repeated_texts_leave_training_and_never_testing(read, csv_file):
    train = [("x", 0), ("y", 1), ("x", 0), ("in test", 1), ("in  test ", 0), ("z", 1)]
    test = [("in test", 1), ("in test", 1), ("w", 0)]
    examples = read({"train": csv_file("train", train), "test": csv_file("test", test)})
    assert of(examples, "train") == ["x", "y", "z"]
    assert of(examples, "test") == ["in test", "in test", "w"]
    # "x" again, and "in test" twice among the training rows, of which the first is also a test row.
    assert examples.facts.duplicates_removed == {"repeated": 2, "also_in_test_or_validation": 1}
    assert examples.facts.rows_read == {"train": 6, "test": 3}


def test_texts_with_several_labels_are_listed_and_counted(read, csv_file):
    train = [("x", 0), ("y", 1), ("x ", 1), ("in test", 1), ("z", 1), ("z", 1)]
    examples = read({"train": csv_file("train", train), "test": csv_file("test", [("in test", 0), ("w", 0)])})
    assert examples.contradictions == [
        "train-000000 is 'no', train-000002 is 'yes'",
        "train-000003 is 'yes', test-000000 is 'no'",
    ]
    assert examples.facts.contradicting_texts == 2
    assert of(examples, "train") == ["x", "y", "z"]


@pytest.mark.parametrize("empty", ["\u200b\u200b", "\ufeff", "\u3164", " \u2060\t"])
def test_texts_that_show_nothing_are_empty(read, csv_file, empty):
    files = {"train": csv_file("train", [("a", 0), (empty, 1), ("b", 1)]), "test": csv_file("test", [("c", 1)])}
    with pytest.raises(DataError, match=r"row 1 of .* has an empty text in column 'text'"):
        read(files)
    assert of(read(files, drop_empty=True), "train") == ["a", "b"]


def test_rows_of_other_labels_are_dropped_where_the_card_drops_them(read, csv_file):
    files = {"train": csv_file("train", [("a", 0), ("b", "maybe"), ("c", 1)]), "test": csv_file("test", [("d", 1)])}
    examples = read(files, drop_unlisted=True)
    assert of(examples, "train") == ["a", "c"]
    assert examples.facts.unlisted_dropped == 1


def test_memory_of_the_division_does_not_hold_the_texts(csv_file, tmp_path):
    import tracemalloc

    path = csv_file("all", [(f"{i} " + "w" * 1000, i % 2) for i in range(8000)])  # 8 MB
    card = make_card({"all": path}, split=SplitRule(test=0.2))
    divide(card, {"all": path}, tmp_path)
    tracemalloc.start()
    divide(card, {"all": path}, tmp_path)
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert highest < 6e6 < path.stat().st_size


def test_one_file_is_divided_by_class_without_a_text_in_two_splits(read, csv_file):
    rows = many(200, 2) + many(50, 2)
    examples = read({"all": csv_file("all", rows)}, split=SplitRule(test=0.25, validation=0.1))
    parts = {split: set(of(examples, split)) for split in ("train", "validation", "test")}
    assert {s: len(p) for s, p in parts.items()} == {"train": 135, "validation": 15, "test": 50}
    assert set.union(*parts.values()) == {text for text, _ in rows}
    assert examples.facts.duplicates_removed["repeated"] == 50
    assert examples.facts.counts["test"] == {"no": 25, "yes": 25}
    assert examples.facts.majority_share["test"] == 0.5
    assert examples.facts.split_rule == (
        "0.25 of the distinct rows for testing, 0.1 of the training rows for validation, by class, seed 42"
    )


def test_the_split_has_its_own_seed(read, csv_file):
    files = {"all": csv_file("all", many(100))}
    first, again, caps, other = (
        read(files, split=SplitRule(test=0.3, seed=split), seed=seed)
        for split, seed in ((1, 0), (1, 0), (1, 9), (2, 0))
    )
    assert of(first, "test") == of(again, "test") == of(caps, "test")
    assert of(first, "test") != of(other, "test")


def test_a_number_of_test_rows(read, csv_file):
    examples = read({"all": csv_file("all", many(100))}, split=SplitRule(test=20))
    assert len(of(examples, "test")) == 20
    with pytest.raises(DataError, match="100 distinct rows, of which 100 are for testing"):
        read({"all": csv_file("all2", many(100))}, split=SplitRule(test=100))


def test_validation_comes_out_of_training(read, csv_file):
    files = {"train": csv_file("train", many(40)), "test": csv_file("test", many(4, word="t"))}
    examples = read(files, split=SplitRule(validation=0.25))
    assert (len(of(examples, "train")), len(of(examples, "validation"))) == (30, 10)
    assert not set(of(examples, "train")) & set(of(examples, "validation"))


def test_rows_of_other_sources_are_left_out(read, csv_file):
    rows = [(f"{source} {i}", i % 2, source) for i in range(10) for source in ("ours", "theirs")]
    path = csv_file("all", rows, "text,label,source")
    examples = read({"all": path}, where={"source": "ours"}, split=SplitRule(test=0.2))
    assert all(fields["text"].startswith("ours") for fields in examples.fields)
    assert examples.facts.rows_of_other_sources == 10
    assert examples.ids[1] == "all-000002"


# Caps


def test_caps_keep_the_shares_of_the_classes(read, csv_file):
    rows = [(f"t{i}", int(i >= 90)) for i in range(100)]
    files = {"train": csv_file("train", rows), "test": csv_file("test", many(50, word="u"))}
    examples = read(files, limits={"train": 20, "test": 10, "validation": None})
    assert examples.facts.counts == {"train": {"no": 18, "yes": 2}, "test": {"no": 5, "yes": 5}}
    assert of(examples, "train") == sorted(of(examples, "train"), key=lambda text: int(text[1:]))


def test_a_test_row_beyond_the_cap_is_still_kept_out_of_training(read, csv_file):
    test = many(50, word="u")
    files = {"train": csv_file("train", [*many(10), *test]), "test": csv_file("test", test)}
    examples = read(files, limits={"test": 2})
    assert not set(of(examples, "train")) & {text for text, _ in test}


def test_caps_vary_with_the_seed_and_only_with_it(read, csv_file):
    files = {"train": csv_file("train", many(200)), "test": csv_file("test", many(4, word="u"))}
    first, again, other = (of(read(files, limits={"train": 20}, seed=s), "train") for s in (0, 0, 1))
    assert first == again != other


def test_a_cap_below_the_classes_is_an_error(read, csv_file):
    files = {"train": csv_file("train", many(20)), "test": csv_file("test", many(4, word="u"))}
    with pytest.raises(DataError, match="a limit of 1 train rows for dataset 'toy', which has 2 classes"):
        read(files, limits={"train": 1})


def test_the_choice_is_the_same_in_another_process(read, csv_file, tmp_path):
    """Not from Python's own hash, which differs between processes."""
    path = csv_file("all", many(60))
    here = read({"all": path}, split=SplitRule(test=0.3), limits={"train": 10})
    code = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.vocabsem.datasets.test_examples import make_card, SplitRule, read_examples
files = {{"all": Path({str(path)!r})}}
card = make_card(files, split=SplitRule(test=0.3))
print(json.dumps(read_examples(card, files, limits={{"train": 10}}, seed=0, cache=Path({str(tmp_path / "c2")!r})).ids))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here.ids
    assert not done.stderr


# Largest remainder


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.data())
def test_apportion_gives_out_every_seat_and_no_class_more_than_it_has(counts, data):
    counts = np.array(counts)
    total = data.draw(st.integers(0, int(counts.sum())))
    seats = apportion(counts, total)
    assert seats.sum() == total
    assert (seats >= 0).all()
    assert (seats <= counts).all()
    if total >= (counts > 0).sum():
        assert (seats[counts > 0] >= 1).all()


def test_apportion_is_in_proportion():
    assert apportion(np.array([50, 30, 20]), 10).tolist() == [5, 3, 2]
    assert apportion(np.array([1000, 10]), 100).tolist() == [99, 1]
    assert apportion(np.array([996, 4]), 10).tolist() == [9, 1], "one row even where the share rounds to none"
    assert apportion(np.array([5, 5, 5]), 2).tolist() == [1, 1, 0], "ties go to the first class"


# Mistakes


def test_an_unknown_label_names_row_value_and_column(read, csv_file):
    files = {"train": csv_file("train", [("a", 0), ("b", "maybe")]), "test": csv_file("test", [("c", 1)])}
    with pytest.raises(DataError, match=r"row 1 of .*train.csv \(train of dataset 'toy'\) has 'maybe' in the label"):
        read(files)


def test_an_empty_text_names_its_row(read, csv_file):
    files = {"train": csv_file("train", [("a", 0), (" ", 1)]), "test": csv_file("test", [("c", 1)])}
    with pytest.raises(DataError, match=r"row 1 of .* has an empty text in column 'text'.*drop_empty"):
        read(files)


def test_a_json_null_is_an_empty_text(read, tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a", "label": 0}\n{"text": null, "label": 1}\n')
    with pytest.raises(DataError, match=r"row 1 of .* has an empty text"):
        read({s: tmp_path / f"{s}.jsonl" for s in ("train", "test")}, format="jsonl")


def test_one_class_cannot_be_learned_from(read, csv_file):
    files = {"train": csv_file("train", [("a", 1), ("b", 1)]), "test": csv_file("test", [("c", 0)])}
    with pytest.raises(DataError, match="every training row of dataset 'toy' is of class 'yes'"):
        read(files)


def test_nothing_left(read, csv_file):
    files = {"train": csv_file("train", [("a", 1), ("b", 0)]), "test": csv_file("test", [("a", 0), ("b", 1)])}
    with pytest.raises(DataError, match="every training row of dataset 'toy' is also a test row"):
        read(files)
    with pytest.raises(DataError, match=r"no rows in .*train.csv .*fix 'where' or 'files'"):
        read(files, where={"label": 7})


def test_a_missing_column_hints_at_the_nearest(read, csv_file, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"sentence": "a", "label": 0}\n')
    with pytest.raises(DataError, match=r"has no column 'sentences': did you mean 'sentence'"):
        read({"train": path, "test": path}, format="jsonl", fields={"text": "sentences"})
    files = {"train": csv_file("train", [("a", 0)]), "test": csv_file("test", [("b", 1)])}
    with pytest.raises(DataError, match=r"has no column 'body': it has 'text', 'label'"):
        read(files, fields={"text": "body"})


def test_rows_longer_than_their_header_are_refused_not_read_a_column_off(read, tmp_path):
    for header, row in (
        ("text,label", "no, not at all,1"),
        ("text;label", "no; not at all;1"),
        ("text,label", "no,1,"),
    ):
        (path := tmp_path / "all.csv").write_text(f"{header}\n{row}\n{row}\n")
        with pytest.raises(DataError, match=f"cannot read .* more fields than its header, '{header[:4]}.*: name all"):
            read({"all": path}, split=SplitRule(test=0.5))


@pytest.mark.parametrize("first", ["", "\ufeff", "sep=%s\n"])
@pytest.mark.parametrize("sep", [";", "\t", "|", ","])
def test_the_separator_is_the_one_that_the_header_has(read, tmp_path, sep, first):
    rows = [("text", "label"), ("yes, and no; no", "1"), ("a | b", "0"), ("x", "1")]
    lines = [sep.join((f'"{text}"', label)) for text, label in rows]
    (path := tmp_path / "all.csv").write_text(first.replace("%s", sep) + "\n".join(lines) + "\n", encoding="utf-8")
    examples = read({"train": path, "test": csv_of(tmp_path, [("z", 0)])})
    assert of(examples, "train") == [text for text, _ in rows[1:]]


def csv_of(folder, rows):
    (path := folder / "test.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


def test_lists_and_objects_are_no_text(read, tmp_path):
    path = tmp_path / "train.jsonl"
    for row, messages in (
        ({"text": ["a", "b"], "label": 0}, "'text' .*a.*b"),
        ({"text": "a", "label": {"is": 0}}, "'label'"),
    ):
        path.write_text(json.dumps(row))
        with pytest.raises(DataError, match=f"column {messages}.*, no text: write it out as text"):
            read({"train": path, "test": path}, format="jsonl")


@pytest.mark.parametrize("content", ['{"text": "a"\n{', "\x00\x01\x02", ""])
def test_files_that_are_not_what_the_card_says(read, tmp_path, content):
    path = tmp_path / "train.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"train\.jsonl"):
        read({"train": path, "test": path}, format="jsonl")


def test_reading_leaves_nothing_outside_its_cache(read, csv_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    read({"all": csv_file("all", many(20))}, split=SplitRule(test=0.3))
    assert {path.name for path in tmp_path.iterdir()} == {"all.csv"}
    lines = tmp_path / "all.jsonl"
    lines.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in many(20)))
    read({"all": lines}, format="jsonl", split=SplitRule(test=0.3))
    assert {path.name for path in tmp_path.iterdir()} == {"all.csv", "all.jsonl"}


def test_the_paper_sets_have_the_papers_sizes(tmp_path):
    """Table 2 of the paper; the repeated texts that we remove are the difference."""
    import os

    data_dir = os.environ.get("VOCABSEM_PAPER_DATA")
    if not data_dir:
        pytest.skip("set VOCABSEM_PAPER_DATA to the folder with mr/train.jsonl, …")
    sizes = {"mr": (8662, 2000), "subj": (8000, 2000), "sst5": (8544, 2210), "trec": (5452, 500)}
    for name, (train, test) in sizes.items():
        card = load_card("datasets", name).located(Path(data_dir))
        files = {split: Path(source.removeprefix("file:")) for split, source in card.files.items()}
        facts = read_examples(card, files, limits={}, seed=0, cache=tmp_path).facts
        assert facts.rows_read == {"train": train, "test": test}
        assert sum(facts.counts["train"].values()) + sum(facts.duplicates_removed.values()) == train
