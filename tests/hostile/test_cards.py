"""Hostile cards: each is refused with one line, in seconds and a few megabytes."""

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.planning.experiment import Experiment, parse_overrides
from vocabsem.cards.loader import load_card, read_yaml
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import CardError, shorten

pytestmark = pytest.mark.medium

MODELS = (ModelCard, DatasetCard, Experiment)
BOMB = "a: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"b{i}: &a{i + 1} [{','.join([f'*a{i}'] * 9)}]\n" for i in range(9))
HOSTILE = {
    "bomb": (BOMB, "with aliases written out"),
    "circular": ("name: x\nmodels: &a [*a]\n", "stands inside the value that it names"),
    "circular mapping": ("a: &a {b: *a}\n", "stands inside the value that it names"),
    "circular root": ("&a\nname: x\nhidden_size: [*a]\n", "stands inside the value that it names"),
    "unknown alias": ("a: *b\n", "undefined alias"),
    "deep list": ("[" * 3000, "nested more than 50 deep"),
    "deep mapping": ("{a: " * 3000, "nested more than 50 deep"),
    "deep lines": ("".join(" " * i + "a:\n" for i in range(200)), "nested more than 50 deep"),
    "many values": ("- a\n" * 21_000, "more than 20,000 values"),
    "large file": ("#" * 600_000, "longer than 500,000 characters"),
    "digits": ("name: " + "9" * 5000, "too long"),
    "sexagesimal": ("name: 1" + ":1" * 50_000, "too long"),
    "beyond 64 bits": ("name: " + "9" * 20, "out of range"),
    "infinite": ("name: .inf", "out of range"),
    "not a number": ("name: .nan", "out of range"),
    "month 13": ("name: 2001-13-45", "'2001-13-45' is no timestamp"),
    "hour 99": ("name: 2001-99-99T00:00:00Z", "is no timestamp"),
    "no int": ("name: !!int abc", "'abc' is no int"),
    "no int at all": ("name: !!int ''", "'' is no int"),
    "no float": ("name: !!float abc", "'abc' is no float"),
    "no bool": ("name: !!bool abc", "'abc' is no bool"),
    "no timestamp": ("name: !!timestamp abc", "'abc' is no timestamp"),
    "bytes": ("name: !!binary aGk=", "constructor"),
    "set": ("name: !!set {a, b}", "constructor"),
    "object": ("name: !!python/object/apply:os.getcwd []", "constructor"),
    "key that is a number": ("1: x", "the key 1 is no text"),
    "key that is true": ("yes: x", "the key True is no text"),
    "key that is null": ("~: x", "the key None is no text"),
    "key that is a list": ("? [a]\n: x", "is no text"),
    "key twice": ("a: 1\na: 2", "given twice"),
    "NUL": ('name: "a\\0b"', "U+0000"),
    "escape": ('name: "\\e[31m"', "U+001B"),
    "raw escape": ("name: \x1b[31m", "U+001B"),
    "surrogate": ('name: "\\ud800"', "U+D800"),
    "two documents": ("a: 1\n---\na: 2\n", "another document"),
    "a list": ("[1, 2]", "expected 'key: value' lines"),
}


def check(read):
    """The error is a CardError of one line that holds little of the input, in less than 10 s; or there is none."""
    start = time.monotonic()
    try:
        return read()
    except CardError as error:
        message = str(error)
        assert shorten(message) == message
        assert len(message) < 20 * 700
        return message
    finally:
        assert time.monotonic() - start < 10


@pytest.mark.parametrize(("text", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_card_is_refused_with_one_line(tmp_path, text, problem):
    path = tmp_path / "card.yaml"
    path.write_text(text, encoding="utf-8")
    message = check(lambda: read_yaml(path, Experiment))
    assert message.startswith(str(path))
    assert problem in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - {"a list", "large file"}))
def test_a_hostile_value_of_set_is_refused_with_one_line(name):
    text, problem = HOSTILE[name]
    message = check(lambda: parse_overrides([f"models={text}"]))
    assert message.startswith("--set models:")
    assert problem in message
    assert "\n" not in message


def test_a_plain_alias_stands_for_its_value(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_text("name: x\nmodels: [a]\ndatasets: &d [mr]\nmethods: [zero_shot]\nshots: &s [0]\nseeds: *s\n")
    assert read_yaml(path, Experiment).seeds == [0]
    changed = read_yaml(path, Experiment, {"seeds": [3]})
    assert (changed.shots, changed.seeds) == ([0], [3])


def test_a_pipe_a_folder_and_a_device_are_no_cards(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "zero"):
        assert "is no file" in check(lambda path=tmp_path / f"{name}.yaml": load_card("models", str(path)))


def test_a_key_nested_without_end_is_refused():
    path = Path("data/experiments/quickstart.yaml").absolute()
    assert "nested more than" in check(lambda: read_yaml(path, Experiment, {"a." * 5000 + "a": 1}))


def test_mistakes_beyond_twenty_are_counted(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_text("".join(f"key_{i}: 1\n" for i in range(1000)))
    lines = check(lambda: read_yaml(path, ModelCard)).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("more mistakes")


@pytest.mark.parametrize("text", ["k" * 10_000, "k k'k\"" * 2000, "\n" * 10_000])
def test_a_message_quotes_the_start_of_a_long_value(text):
    for message in (f"unknown key {text!r}: fix it", f"it has {text!r}, {text!r}, {text!r}: fix it"):
        error = str(CardError(message))
        assert len(error) < 240
        assert error.endswith(": fix it")
        assert shorten(error) == error


def test_a_message_of_words_stays_whole():
    message = "the champion's card isn't here: it's 'a', 'b' or \"c's\", " + "and so on " * 100
    assert shorten(message) == message


# Fuzzed: cards of YAML's own pieces, and good cards with one value replaced.

PIECES = st.sampled_from([
    *("name", "models", "labels", "shots", "x", "1", "-1", "0x", "1e999", ".nan", ".inf", "~", "yes", "2001-01-01"),
    *(": ", "- ", "? ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!int ", "!x ", "<<: ", "|\n", ">\n", "---\n"),
    *("\n", "\n  ", "'", '"', "\\", "#", "%YAML 9.9\n", "\t", "\0", "\x1b", "\ufeff", "é", "\u2028", "=", "\\ud800"),
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=8,
)
GOOD = {
    Experiment: yaml.safe_load(Path("data/experiments/quickstart.yaml").read_text()),
    DatasetCard: yaml.safe_load(Path("data/datasets/sst5.yaml").read_text()),
    ModelCard: yaml.safe_load(Path("data/models/smollm2-135m-instruct.yaml").read_text()),
}
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
MANY = settings(FUZZ, max_examples=8 * settings().max_examples)


@MANY
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(MODELS))
def test_no_text_is_a_crash(tmp_path, text, model):
    path = tmp_path / "card.yaml"
    path.write_text(text, encoding="utf-8")
    assert not isinstance(check(lambda: read_yaml(path, model)), model), "nothing of this kind is a whole card"


@FUZZ
@given(st.data(), st.sampled_from(MODELS), VALUES)
def test_no_value_is_a_crash(tmp_path, data, model, value):
    path, key = tmp_path / "card.yaml", data.draw(st.sampled_from(sorted(model.model_fields)))
    path.write_text(yaml.safe_dump(GOOD[model] | {key: value}, allow_unicode=True), encoding="utf-8", errors="replace")
    read = check(lambda: read_yaml(path, model))
    assert isinstance(read, str) or read == model.model_validate_json(read.model_dump_json()), "what is read is whole"


@MANY
@given(st.lists(PIECES, max_size=20).map("".join))
def test_no_value_of_set_is_a_crash(text):
    check(lambda: parse_overrides([f"models={text}"]))
    check(lambda: parse_overrides([text]))
