import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from vocabsem.cards.folders import CARDS, list_cards
from vocabsem.cards.loader import load_card, read_yaml
from vocabsem.cards.schema import Card, DatasetCard, ModelCard
from vocabsem.errors import CardError
from vocabsem.sources.parsing import parse_source

MODELS, DATASETS = list_cards("models"), list_cards("datasets")

GOOD = {
    "name": "toy",
    "description": "toy",
    "license": "none",
    "files": {"train": "file:train.csv", "test": "file:test.csv"},
    "format": "csv",
    "fields": {"text": "body"},
    "label_column": "class",
    "labels": [{"name": "no", "value": 0, "word": "bad"}, {"name": "yes", "value": [1, 2], "word": "good"}],
    "template": "review: {text}\nsentiment:",
}


@pytest.fixture
def card_file(tmp_path):
    """Writes a dataset card that differs from a good one as reported; None removes a key."""

    def write(**changes):
        data = {key: value for key, value in (GOOD | changes).items() if value is not None}
        path = tmp_path / "toy.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return str(path)

    return write


def refusal(path: str) -> str:
    with pytest.raises(CardError) as caught:
        load_card("datasets", path)
    return str(caught.value)


def local_copy(folder: Path, *splits: str) -> None:
    folder.mkdir(parents=True)
    for split in splits:
        (folder / f"{split}.jsonl").write_text('{"sentence": "a", "label": "0"}\n')


# The cards that are shipped


@pytest.mark.parametrize("name", MODELS)
def test_shipped_model_cards_are_whole(name):
    card = load_card("models", name)
    assert card.name == name
    source = parse_source(card.source)
    assert source.scheme == "hf" or card.sha256, "bytes from a package must be pinned"
    # A head of V rows is among the parameters, whether tied or not.
    assert card.vocabulary_size * card.hidden_size < card.parameters


@pytest.mark.parametrize("name", DATASETS)
def test_shipped_dataset_cards_are_whole(name):
    card = load_card("datasets", name)
    assert card.name == name
    for part, text in card.files.items():
        assert parse_source(text).scheme != "pypi" or part in card.sha256, "bytes from a package must be pinned"
    assert card.classes == len(card.label_words) == len(card.label_names)


@pytest.mark.parametrize(
    ("name", "template", "words"),
    [
        ("agnews", "Input: {text}\nType:", ["world", "sports", "business", "technology"]),
        ("carer", "message: {text}\nemotion:", ["sadness", "joy", "love", "anger", "fear", "surprise"]),
        ("mr", 'review: "{text}"\nsentiment:', ["negative", "positive"]),
        ("mrpc", "Premise: {premise}\nHypothesis: {hypothesis}\nPrediction:", ["equivalent", "not equivalent"]),
        ("sst5", "review: {text}\nsentiment:", ["terrible", "bad", "okay", "good", "great"]),
        ("subj", 'input: "{text}"\ntype:', ["subjective", "objective"]),
        (
            "trec",
            "Question: {text}\nType:",
            ["description", "entity", "expression", "human", "location", "number"],
        ),
        (
            "webss",
            "input: {text}\ntype:",
            [
                "business",
                "computers",
                "culture-arts-entertainment",
                "education-science",
                "engineering",
                "health",
                "politics-society",
                "sports",
            ],
        ),
    ],
)
def test_the_papers_prompts_are_the_papers(name, template, words):
    card = load_card("datasets", name)
    assert (card.template, card.label_words) == (template, words)


def test_cards_import_without_the_heavy_libraries():
    code = (
        "import sys, vocabsem.cards.schema, vocabsem.sources.fetching, vocabsem.datasets.shots, vocabsem.errors;"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas', 'huggingface_hub'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Finding a card


def test_an_unknown_name_hints_at_the_nearest():
    with pytest.raises(
        CardError, match=r"unknown dataset 'rotten_tomatos' in .*datasets: did you mean 'rotten_tomatoes'"
    ):
        load_card("datasets", "rotten_tomatos")
    with pytest.raises(CardError, match=r"unknown model 'zzz' in .*known are .*gpt2"):
        load_card("models", "zzz")


def test_a_name_cannot_be_a_way_out_of_the_folder():
    with pytest.raises(CardError, match="unknown model"):
        load_card("models", "../datasets/mr")


def test_a_path_reads_any_file(card_file):
    card = load_card("datasets", card_file())
    assert card.label_names == ["no", "yes"]
    assert card.labels[1].values == ["1", "2"]


def test_missing_and_unreadable_files(tmp_path):
    assert "No such file" in refusal(str(tmp_path / "absent.yaml"))
    (tmp_path / "latin.yaml").write_bytes("name: \xe9t\xe9".encode("latin-1"))
    assert "not UTF-8" in refusal(str(tmp_path / "latin.yaml"))
    (tmp_path / "empty.yaml").write_text("")
    assert "found nothing" in refusal(str(tmp_path / "empty.yaml"))


def test_yaml_mistakes_name_the_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: toy\nlabels: [1, 2\nformat: csv\n")
    assert f"{path}:3: " in refusal(str(path))


def test_a_key_given_twice_is_a_mistake(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("name: toy\nformat: csv\nname: toy2\n")
    assert f"{path}:1: key 'name' is given twice" in refusal(str(path))


def test_a_yaml_tag_builds_no_object(tmp_path):
    path = tmp_path / "tag.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    assert "could not determine a constructor" in refusal(str(path))


# What a card may not say


def test_unknown_keys_hint_at_the_nearest_with_their_line(card_file):
    path = card_file(
        templat="x", labels=[{"name": "a", "value": 0, "words": "x"}, {"name": "b", "value": 1, "word": "y"}]
    )
    message = refusal(path)
    lines = Path(path).read_text().splitlines()
    at = lines.index("templat: x") + 1
    assert f"{path}:{at}: unknown key 'templat' in the card: did you mean 'template'?" in message
    at = next(i for i, line in enumerate(lines, 1) if "words" in line)
    assert f"{path}:{at}: unknown key 'words' in labels[0]: did you mean 'word'?" in message
    assert "missing key 'word' in labels[0]" in message


def test_strict_types(card_file):
    message = refusal(card_file(template=7, labels=[{"name": "a", "value": 0.5, "word": "x"}]))
    assert "template: Input should be a valid string (given: 7)" in message
    assert "labels" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "review: {txt}\nsentiment:"}, "the template names 'txt', but fields are 'text'"),
        ({"template": "review: {text} sentiment: "}, "ends in white space"),
        ({"template": "review: {text.__class__}:"}, "write only plain names"),
        ({"template": "review: {text!r}:"}, "write only plain names"),
        ({"template": "review: {text:"}, "is not a template"),
        ({"files": {"train": "file:a"}}, "files needs 'train' and 'test', or 'all'"),
        ({"files": {"all": "file:a"}}, "set 'split.test' to the share"),
        ({"files": {"all": "file:a", "train": "file:b", "test": "file:c"}}, "'all' and others"),
        ({"sha256": {"validation": "0" * 64}}, "sha256 names 'validation', which files does not have"),
        ({"sha256": {"train": "ABC"}}, "sha256.train: String should match pattern"),
        ({"split": {"test": 0.2}}, "this one has its own test rows"),
        ({"split": {"test": 1.5}}, "split.test"),
        ({"splits": {"train": "train"}}, "'splits' belongs to format 'hub'"),
        ({"format": "hub"}, "format 'hub' takes one source"),
        ({"format": "hub", "files": {"all": "hf:datasets/a/b@main"}}, "needs 'splits' with 'train' and 'test'"),
        ({"format": "xml"}, "format: Input should be 'csv'"),
        ({"labels": GOOD["labels"][:1]}, "at least 2 items"),
        (
            {"labels": [{"name": "a", "value": 0, "word": "x"}, {"name": "b", "value": [1, "0"], "word": "y"}]},
            "label value '0' is given to two labels",
        ),
        (
            {"labels": [{"name": "a", "value": 0, "word": "x"}, {"name": "b", "value": 1, "word": "x"}]},
            "label word 'x' is given to two labels",
        ),
        (
            {"labels": [{"name": "label", "value": 0, "word": "x"}, {"name": "b", "value": 1, "word": "y"}]},
            "a label has the name 'label'",
        ),
        (
            {"labels": [{"name": "a", "value": "1", "word": "x"}, {"name": "b", "value": "1.0", "word": "y"}]},
            "label values '1' and '1.0' of two labels differ only by",
        ),
        (
            {"labels": [dict(GOOD["labels"][0], name="caf\u00e9"), dict(GOOD["labels"][1], name="cafe\u0301")]},
            r"label names 'caf\xe9' and 'cafe\u0301' of two labels differ only by",
        ),
        ({"options": {"sep": "[,;]"}}, "options.sep: String should match pattern"),
        ({"options": {"skiprows": 1e9}}, "options.skiprows"),
        ({"options": {"skiprows": 1000000000}}, "options.skiprows"),
        ({"options": {"iterator": True}}, "unknown key 'iterator' in options"),
        ({"options": {"chunksize": 1}}, "unknown key 'chunksize' in options"),
        ({"options": {"encoding": "zip"}}, "options.encoding: is not an encoding of text files"),
        ({"options": {"encoding": "unicode_escape"}}, "options.encoding: is not an encoding of text files"),
        ({"options": {"sep": ";"}, "format": "jsonl"}, "options of format 'jsonl' are 'encoding', 'encoding_errors'"),
        ({"name": "a/b"}, "name: String should match pattern"),
        ({"local": {"folder": "toy", "fields": {"text": "sentence"}, "values": [0]}}, "1 values for 2 labels"),
        ({"local": {"folder": "toy", "fields": {"body": "s"}, "values": [0, 1]}}, "local.fields are 'body'"),
        ({"local": {"folder": "../x", "fields": {"text": "s"}, "values": [0, 1]}}, "local.folder"),
    ],
)
def test_refused(card_file, changes, message):
    assert message in refusal(card_file(**changes))


def test_one_label_may_have_values_that_look_the_same(card_file):
    several = {"name": "a", "value": ["1", "1.0", "caf\u00e9", "cafe\u0301"], "word": "x"}
    assert load_card("datasets", card_file(labels=[several, {"name": "b", "value": 0, "word": "y"}])).classes == 2


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "latin-1", "cp1252", "utf-16", "shift_jis", "gb18030", "euc-kr"])
def test_usual_encodings_are_options(card_file, encoding):
    assert load_card("datasets", card_file(options={"encoding": encoding})).options.encoding == encoding


def test_a_card_does_not_change(card_file):
    card = load_card("datasets", card_file())
    with pytest.raises(ValueError, match="frozen"):
        card.template = "{text}:"


# What a card determines


def test_content_changes_with_what_is_read_and_not_with_what_is_stated_of_it(card_file):
    card = load_card("datasets", card_file())
    same = [{"description": "another"}, {"template": "{text}\ntype:"}, {"license": "MIT"}, {"word_tokens": "first"}]
    other = [{"where": {"source": "x"}}, {"fields": {"text": "title"}}, {"split": {"validation": 0.1}}]
    other += [{"drop_empty": True}, {"options": {"sep": ";"}}, {"sha256": {"train": "0" * 64}}]
    other += [{"labels": [GOOD["labels"][1], GOOD["labels"][0]]}, {"files": {"train": "hf:a/b@c/d", "test": "file:x"}}]
    for change in same:
        assert load_card("datasets", card_file(**change)).content() == card.content(), change
    for change in other:
        assert load_card("datasets", card_file(**change)).content() != card.content(), change
    assert json.loads(json.dumps(card.content())) == card.content()


def test_content_says_nothing_of_where_a_local_file_lies(card_file):
    here, there = ({"train": f"file:{d}/train.csv", "test": f"file:{d}/test.csv"} for d in ("/here", "/there"))
    assert (
        load_card("datasets", card_file(files=here)).content()
        == load_card("datasets", card_file(files=there)).content()
    )


# The user's own copy


def test_a_local_copy_is_read_instead_of_the_hub(tmp_path):
    local_copy(tmp_path / "subj", "train", "test")
    card = load_card("datasets", "subj").located(tmp_path)
    assert card.files == {s: f"file:{tmp_path}/subj/{s}.jsonl" for s in ("train", "test")}
    assert (card.format, card.fields, card.splits) == ("jsonl", {"text": "sentence"}, {})
    # The hub counts subjective as 1, the paper's files as 0: the classes stay in the card's order.
    assert [(label.name, label.value) for label in card.labels] == [("subjective", 0), ("objective", 1)]
    assert DatasetCard.model_validate(card.model_dump()) == card


def test_without_a_local_copy_the_card_is_unchanged(tmp_path):
    card = load_card("datasets", "mr")
    assert card.located(tmp_path) == card.located(None) == card
    no_local = load_card("datasets", "bbc_news")
    local_copy(tmp_path / "bbc_news", "train", "test")
    assert no_local.located(tmp_path) == no_local


def test_a_test_file_alone_is_divided_where_the_card_says_how(tmp_path):
    local_copy(tmp_path / "agnews", "test")
    card = load_card("datasets", "agnews").located(tmp_path)
    assert card.files == {"all": f"file:{tmp_path}/agnews/test.jsonl"}
    assert card.split.test == 2000
    assert DatasetCard.model_validate(card.model_dump()) == card


def test_half_a_local_copy_is_an_error(tmp_path):
    local_copy(tmp_path / "mr", "test")
    with pytest.raises(CardError, match=r"dataset 'mr': .*mr has only 'test.jsonl': put train.jsonl and test.jsonl"):
        load_card("datasets", "mr").located(tmp_path)


# read_yaml, for other kinds of cards


class Inner(Card):
    rows: int = 1


class Outer(Card):
    name: str
    limits: Inner = Inner()
    several: tuple[Inner | str, ...] = ()


def test_overrides_are_part_of_what_is_validated(tmp_path):
    path = tmp_path / "outer.yaml"
    path.write_text("name: x\n")
    assert read_yaml(path, Outer, {"limits.rows": 5, "name": "y"}) == Outer(name="y", limits=Inner(rows=5))
    with pytest.raises(CardError, match="unknown key 'row' in limits: did you mean 'rows'"):
        read_yaml(path, Outer, {"limits.row": 5})
    with pytest.raises(CardError, match=r"cannot set name.rows: name holds 'x', no keys"):
        read_yaml(path, Outer, {"name.rows": 5})


def test_hints_reach_through_lists_and_unions(tmp_path):
    path = tmp_path / "outer.yaml"
    path.write_text("name: x\nseveral:\n- rws: 3\n")
    with pytest.raises(CardError, match=r"outer.yaml:3: unknown key 'rws' in several\[0\].*did you mean 'rows'"):
        read_yaml(path, Outer)


def test_all_mistakes_come_at_once(tmp_path):
    path = tmp_path / "outer.yaml"
    path.write_text("names: x\nlimits: {rows: many}\n")
    with pytest.raises(CardError) as caught:
        read_yaml(path, Outer)
    assert len(str(caught.value).splitlines()) == 3


def test_cards_lie_in_the_checkout():
    assert {path.name for path in CARDS.iterdir()} >= {"models", "datasets"}
    assert issubclass(ModelCard, BaseModel)
