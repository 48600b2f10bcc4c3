"""Submissions: what is written verifies, whatever is changed is found, whatever is damaged is refused in one line."""

import base64
import copy
import gzip
import json
import math

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from tasks.views.submission import make_submission, protocol_claim, write_submission
from tasks.views.submission_check import mismatches
from tasks.views.submission_examples import check_examples
from tasks.views.submission_schema import ReadSubmission, Submission, read_submission
from tests.tasks.views.recorded import rows, write_cards, write_rows
from vocabsem.datasets.example_hashes import example_hash
from vocabsem.errors import BadInput
from vocabsem.evaluation.protocol import PROTOCOLS
from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake


@pytest.fixture(scope="module")
def made(recorded):
    plan, key = recorded
    return make_submission(plan.home, key)


def checked(content):
    """The mismatches of a submission, as text."""
    return [str(each) for each in mismatches(ReadSubmission(Submission.model_validate(content), content))]


def resealed(content):
    """The submission with the hash of the whole made anew, as a forger would."""
    content = {name: value for name, value in content.items() if name != "sha256"}
    return content | {"sha256": partition_key(content)}


def test_it_has_every_fit_with_the_probabilities_of_the_lake_and_verifies(recorded, made):
    plan, key = recorded
    assert checked(made) == []
    assert made["run"] == key
    assert [fit["key"] for fit in made["fits"]] == [fit.metrics.key for fit in plan.fits]
    for planned, fit in zip(plan.fits, made["fits"], strict=True):
        table = planned.predictions.partition(Lake(plan.home)).table()
        for unit in fit["seeds"]:
            mask = pc.and_(pc.equal(table["split"], "test"), pc.equal(table["seed"], unit["seed"]))
            stored = np.array(table.filter(mask)["probabilities"].to_pylist(), np.float32)
            values = np.frombuffer(base64.b64decode(unit["probabilities"]), "<f4").reshape(24, 3)
            np.testing.assert_array_equal(values, stored)


def test_its_metrics_are_those_of_scikit_learn_on_its_own_labels_and_probabilities(made):
    labels = made["datasets"][0]["labels"]
    for fit in made["fits"]:
        for unit in fit["seeds"]:
            p = np.frombuffer(base64.b64decode(unit["probabilities"]), "<f4").reshape(24, 3).astype(float)
            stated = unit["metrics"]
            assert stated["accuracy"] == pytest.approx(accuracy_score(labels, p.argmax(1)))
            assert stated["macro_f1"] == pytest.approx(f1_score(labels, p.argmax(1), average="macro", zero_division=0))
            assert stated["nll"] == pytest.approx(log_loss(labels, p / p.sum(1, keepdims=True)), abs=1e-6)


def test_its_identities_are_those_of_the_cards(recorded, made):
    plan, _ = recorded
    (dataset,), (model,) = made["datasets"], made["models"]
    assert dataset["hashes"] == [example_hash({"text": row["text"]}, row["label"]) for row in rows("test")]
    assert {name: each["rows"] for name, each in dataset["splits"].items()} == {
        "train": 48,
        "validation": 12,
        "test": 24,
    }
    assert dataset["classes"] == ["neg", "pos", "tale"]
    assert model["name"] == "made-model"
    assert model["digest"] == plan.pairs[0].anchors.spec.digest
    assert made["versions"]["vocabsem"]
    assert [each["part"] for each in made["protocol"]["deviations"]] == [
        *("datasets", "shots", "on_insufficient", "seeds", "temperature"),
    ]  # fmt: skip
    assert str(plan.home.root.parent) not in json.dumps(made), "no folder of this machine"
    centroid = next(fit for fit in plan.fits if fit.name == "centroid")
    assert made["partitions"][centroid.predictions.key]["method"]["method"] == "centroid"


@pytest.mark.parametrize("name", ["run.json", "run.json.gz"])
def test_a_file_is_read_as_it_was_written_compressed_or_not(made, tmp_path, name):
    write_submission(made, tmp_path / name)
    assert (gzip.decompress if name.endswith("gz") else bytes)((tmp_path / name).read_bytes())[:10] == b'{"format":'
    assert read_submission(tmp_path / name).content == made
    write_submission(made, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def leaves(value, path=()):
    """Every path to a number, text, boolean or null of a JSON."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(content, path, new):
    copied = copy.deepcopy(content)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copied


def other(value, data):
    if isinstance(value, bool) or value is None:
        return {True: False, False: True, None: 0.5}[value]
    if isinstance(value, int | float):
        return value + data.draw(st.sampled_from([1, -1, 1e-3]))
    at = data.draw(st.integers(0, max(len(value) - 1, 0)))
    return (
        value[:at]
        + data.draw(st.sampled_from("0aA7").filter(lambda each: each != value[at : at + 1]))
        + value[at + 1 :]
    )


@given(st.data())
@settings(max_examples=30)
def test_any_tampering_is_found(made, data):
    """Whatever single value is changed: the file is refused, or the difference is named."""
    path = data.draw(st.sampled_from(sorted(leaves(made), key=str)))
    value = made
    for key in path:
        value = value[key]
    try:
        assert checked(changed(made, path, other(value, data)))
    except ValueError:  # pydantic's: refused by its form
        return


@given(st.data())
@settings(max_examples=15)
def test_a_forged_figure_is_found_where_it_stands_though_the_hash_was_made_anew(made, data):
    fit = data.draw(st.integers(0, len(made["fits"]) - 1))
    name = data.draw(st.sampled_from(["accuracy", "macro_f1", "nll", "ece", "brier"]))
    of, where = made["fits"][fit], f"{made['fits'][fit]['dataset']}, made-model, {made['fits'][fit]['method']}"
    if data.draw(st.booleans()):
        path = ("fits", fit, "metrics", name, data.draw(st.sampled_from(["value", "low", "high", "std"])))
    else:
        path = ("fits", fit, "seeds", data.draw(st.integers(0, len(of["seeds"]) - 1)), "metrics", name)
    (mismatch,) = checked(resealed(changed(made, path, 2.5)))
    assert mismatch.startswith(where)
    assert f"{name}" in mismatch
    assert "stated 2.5, recomputed " in mismatch


@given(st.data())
@settings(max_examples=10)
def test_forged_predictions_are_found_though_the_hash_was_made_anew(made, data):
    """Two classes exchanged in one row: what it predicts, or its confidence, is another."""
    fit = data.draw(st.integers(0, len(made["fits"]) - 1))
    unit = data.draw(st.integers(0, len(made["fits"][fit]["seeds"]) - 1))
    text = made["fits"][fit]["seeds"][unit]["probabilities"]
    p = np.frombuffer(base64.b64decode(text), "<f4").reshape(24, 3).copy()
    row = data.draw(st.integers(0, 23))
    label = made["datasets"][0]["labels"][row]
    p[row, [label, (label + 1) % 3]] = p[row, [(label + 1) % 3, label]]
    if abs(p[row, label] - p[row, (label + 1) % 3]) > 1e-6:
        forged = changed(made, ("fits", fit, "seeds", unit, "probabilities"), base64.b64encode(p.tobytes()).decode())
        assert any("nll" in each for each in checked(resealed(forged)))


def without(content, *path):
    copied = copy.deepcopy(content)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return resealed(copied)


def test_what_is_left_out_is_named(made):
    run, probe = made["run"], made["fits"][-1]
    assert any("fit " in each and "stated 0 times" in each for each in checked(without(made, "fits", 0)))
    assert any("linear_probe, 4 shots: seeds: stated [1]" in e for e in checked(without(made, "fits", -1, "seeds", 0)))
    assert any("payload of the run" in each for each in checked(without(made, "partitions", run)))
    assert any("payload of metrics:" in each for each in checked(without(made, "partitions", probe["key"])))
    mismatch = checked(without(made, "datasets", 0))
    assert any(each.startswith("data set made, ") for each in mismatch)
    assert any("zero_shot, 0 shots: data set: stated made, recomputed missing" in each for each in mismatch)
    assert any("model made-model" in each for each in checked(without(made, "models", 0)))
    assert any("nll: stated none" in each for each in checked(without(made, "fits", 0, "seeds", 0, "metrics", "nll")))
    protocol = changed(made, ("protocol", "deviations"), made["protocol"]["deviations"][1:])
    assert any(each.startswith("protocol: ") for each in checked(resealed(protocol)))


def test_settings_that_are_not_those_of_the_run_are_named(made):
    forged = copy.deepcopy(made)
    key = made["partitions"][made["fits"][1]["key"]]["inputs"]["predictions"]
    forged["partitions"][key]["method"]["params"] = {"n": 3}
    assert any(each.startswith("key of the payload of predictions") for each in checked(resealed(forged)))
    forged = changed(made, ("fits", 0, "method"), "ridge")
    assert any("'method': 'ridge'" in each for each in checked(resealed(forged)))
    forged = changed(made, ("fits", 0, "control"), True)
    assert any("control: stated True, recomputed False" in each for each in checked(resealed(forged)))


DAMAGE = {
    "empty": (b"", "Expecting value at line 1, column 1"),
    "truncated": (lambda text: text[: len(text) // 2], "it was truncated"),
    "truncated gzip": (lambda text: gzip.compress(text)[:-20], "cannot be uncompressed"),
    "not gzip": (b"\x1f\x8b\x08 nothing", "cannot be uncompressed"),
    "not text": (b'{"format": "\xff"}', "byte 12 is not UTF-8"),
    "a list": (b"[]", "it holds a list, not an object"),
    "deep": (b"[" * 200_000, "nested too deep"),
    "twice": (b'{"a": 1, "a": 2}', "a key stands twice"),
    "NaN": (b'{"format": NaN}', "it holds NaN, which is no number of JSON"),
    "other format": (b'{"format": "x"}', "its format is 'x', this version of vocabsem reads 'vocabsem-submission'"),
    "later version": (b'{"format": "vocabsem-submission", "version": 2}', "its version is 2, this version of"),
    "a true version": (b'{"format": "vocabsem-submission", "version": true}', "its version is True"),
    "only a head": (b'{"format": "vocabsem-submission", "version": 1}', "run: Field required, and "),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(made, tmp_path, name):
    data, message = DAMAGE[name]
    (tmp_path / "run.json").write_bytes(data(json.dumps(made).encode()) if callable(data) else data)
    with pytest.raises(BadInput) as error:
        read_submission(tmp_path / "run.json")
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'run.json'} is no submission that can be verified: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("fits", 0, "seeds"), [], "fits[0].seeds: List should have at least 1 item"),
        (("fits", 0, "seeds", 0, "seed"), "0", "fits[0].seeds[0].seed: Input should be a valid integer"),
        (("fits", 0, "shots"), "-1", "fits[0].shots: String should match"),
        (("fits", 0, "seeds", 0, "metrics", "nll"), 1e999, "Infinity"),
        (("datasets", 0, "name"), "../x", "datasets[0].name: String should match"),
        (("datasets", 0, "labels", 3), -1, "datasets[0].labels[3]: Input should be greater"),
        (("run",), "0", "run: String should match"),
        (("more",), 1, "more: Extra inputs are not permitted"),
    ],
)
def test_a_value_of_another_form_is_refused_with_its_place(made, tmp_path, path, value, message):
    (tmp_path / "run.json").write_text(json.dumps(changed(made, path, value)))
    with pytest.raises(BadInput) as error:
        read_submission(tmp_path / "run.json")
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "AAAA", "!", base64.b64encode(np.full((24, 3), math.nan, "<f4").tobytes()).decode()]
)
def test_probabilities_that_are_none_are_named(made, text):
    mismatch = checked(resealed(changed(made, ("fits", 1, "seeds", 0, "probabilities"), text)))
    assert len(mismatch) == 1
    assert mismatch[0].startswith(
        "made, made-model, centroid, 4 shots: probabilities: stated of 24 examples, recomputed"
    )


def test_a_card_that_is_none_is_named_and_breaks_nothing(made):
    for card in (None, [], {"methods": 3}, {"datasets": [1], "methods": [{}]}):
        assert any(
            each.startswith(("card of the record", "protocol"))
            for each in checked(resealed(changed(made, ("record", "card"), card)))
        )


def test_a_large_file_is_refused_before_it_is_read(made, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.views.submission_schema.LARGEST", 1000)
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(BadInput, match="it is larger than 0 MiB"):
        read_submission(tmp_path / "bomb.json.gz")


def test_a_run_too_large_to_submit_says_what_to_do(recorded, monkeypatch):
    plan, key = recorded
    monkeypatch.setattr("tasks.views.submission.LARGEST", 1000)
    with pytest.raises(BadInput, match=r"fewer data sets or methods at a time"):
        make_submission(plan.home, key)


def examples_of(home, content, folder=None):
    return list(check_examples(home, Submission.model_validate(content), folder))


def test_examples_are_compared_with_those_of_the_home(recorded, made):
    home = recorded[0].home
    (check,) = examples_of(home, made)
    assert (check.note, check.faults) == ("24 test examples compared with this home's own", ())
    forged = changed(made, ("datasets", 0, "hashes", 5), "0" * 16)
    (check,) = examples_of(home, forged)
    assert check.faults == ("1 of 24 test examples are others, first in row 5",)
    labels = made["datasets"][0]["labels"]
    exchanged = changed(
        made, ("datasets", 0, "labels"), [(label + 1) % 3 if row > 21 else label for row, label in enumerate(labels)]
    )
    assert examples_of(home, exchanged)[0].faults == ("2 of 24 test examples have other labels here, first in row 22",)
    for wrong in ([*labels[:-1], 7], labels[:-1]):
        (check,) = examples_of(home, changed(made, ("datasets", 0, "labels"), wrong))
        assert check.faults == ("labels that there are not, or not one for each test example",)
    cut = copy.deepcopy(made)
    cut["datasets"][0]["hashes"].pop()
    assert examples_of(home, cut)[0].faults == ("23 test examples, here 24",)


def test_without_a_run_of_it_the_card_and_its_sources_are_read(made, tmp_path, monkeypatch):
    (cards := tmp_path / "cards" / "datasets").mkdir(parents=True)
    write_cards(cards)
    monkeypatch.setenv("VOCABSEM_CARDS", str(cards.parent))
    (check,) = examples_of(Home(tmp_path / "empty"), made)
    assert (check.note, check.faults) == ("24 test examples compared with those of the card here", ())
    write_rows(cards, "test", seed=1)
    (check,) = examples_of(Home(tmp_path / "empty"), made)
    assert len(check.faults) > 1
    (cards / "test.jsonl").unlink()
    (check,) = examples_of(Home(tmp_path / "empty"), made)
    assert check.note == "not compared: its sources were never fetched here"


def test_a_data_set_that_nobody_has_here_is_named(made, tmp_path):
    (check,) = examples_of(Home(tmp_path / "empty"), made)
    assert check.note.startswith("not compared: ")
    assert check.faults == ()


def test_a_limit_is_a_deviation_and_its_examples_are_not_compared(shown):
    plan, key = shown
    content = make_submission(plan.home, key)
    assert checked(content) == []
    parts = [each["part"] for each in content["protocol"]["deviations"]]
    assert {"limits.train", "limits.test"} <= set(parts)
    assert "limits.validation" not in parts
    assert not [part for part in parts if "examples" in part], "of a data set that the protocol does not have"
    (dataset,) = content["datasets"]
    assert {split: each["rows"] for split, each in dataset["splits"].items()} == {
        "train": 30,
        "validation": 12,
        "test": 12,
    }


def test_each_seed_of_demonstrations_is_a_unit_with_its_inputs(shown):
    plan, key = shown
    content = make_submission(plan.home, key)
    steps = {payload["step"] for payload in content["partitions"].values()}
    assert steps == {"runs", "metrics", "predictions", "states", "demonstrations", "anchors", "examples"}
    icl = [fit for fit in content["fits"] if fit["method"] == "icl"]
    assert [[unit["seed"] for unit in fit["seeds"]] for fit in icl] == [[0, 1]]
    inputs = content["partitions"][content["partitions"][icl[0]["key"]]["inputs"]["predictions"]]["inputs"]
    assert {"states:test@0", "states:test@1"} <= inputs.keys()
    demonstrations = next(key for key, each in content["partitions"].items() if each["step"] == "demonstrations")
    assert any(
        "demonstrations" in each and "missing" in each
        for each in checked(without(content, "partitions", demonstrations))
    )


def test_the_protocols_own_data_sets_are_compared_with_its_hashes():
    hashes = {
        "name": "trec",
        "splits": {"train": {"hash": "0" * 16}, "test": {"hash": PROTOCOLS[1].datasets["trec"]["test"]}},
    }
    card = {"datasets": ["trec"], "methods": [], "limits": {"train": None, "test": None}}
    parts = [each["part"] for each in protocol_claim(card, [hashes], 1)["deviations"]]
    assert "train examples of trec" in parts
    assert "test examples of trec" not in parts
    card["limits"]["train"] = 100
    parts = [each["part"] for each in protocol_claim(card, [hashes], 1)["deviations"]]
    assert "train examples of trec" not in parts, "the limit is named in their place"
    assert "limits.train" in parts


def test_whoever_learned_from_texts_without_labels_is_marked(made):
    assert {fit["method"]: fit["unlabeled"] for fit in made["fits"]} == {
        "zero_shot": False, "centroid": True, "linear_probe": False,
    }  # fmt: skip
    assert {fit["method"] for fit in made["fits"] if fit["control"]} == {"linear_probe"}


def test_seconds_are_stated_and_not_verified(made):
    assert [unit["fit_seconds"] for unit in made["fits"][1]["seeds"]] == [0.25, 0.5]
    assert checked(resealed(changed(made, ("fits", 1, "seeds", 0, "fit_seconds"), 9.0))) == []
    assert len(checked(changed(made, ("fits", 1, "seeds", 0, "fit_seconds"), 9.0))) == 1, (
        "but for the hash of the whole"
    )
