"""Predictions as samples of lm-evaluation-harness: its keys and kinds of values (0.4.13), our figures, its hashes."""

import json
import re
from hashlib import sha256

import numpy as np
import pyarrow.compute as pc
import pyarrow.json
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tasks.views.harness_files import write_harness
from tasks.views.recorded_run import RecordedRun
from tests.tasks.views.recorded import CLASSES, record, rows
from vocabsem.errors import BadInput
from warehouse.lake.partition import Lake

SAMPLE = "doc_id doc target arguments resps filtered_resps filter metrics doc_hash prompt_hash target_hash acc"
TABLES = ("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "task_hashes")
TASKS = ["made_zero_shot_0_shots_seed_0"]
TASKS += [f"made_{method}_4_shots_seed_{seed}" for method in ("centroid", "linear_probe") for seed in (0, 1)]


@pytest.fixture(scope="module")
def written(recorded, tmp_path_factory):
    plan, key = recorded
    folder = tmp_path_factory.mktemp("harness") / "out"
    return folder, write_harness(RecordedRun(plan.home, key), folder, {})


def samples(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def digest(text):
    return sha256(text.encode()).hexdigest()


def test_files_lie_and_are_named_as_the_harness_names_them(written):
    folder, paths = written
    assert {path.parent for path in paths} == {folder / "made__model"}
    assert sorted(folder.rglob("*.json*")) == sorted(paths)
    date = re.fullmatch(r"results_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6})\.json", paths[-1].name)[1]
    assert [path.name for path in paths[:-1]] == [f"samples_{task}_{date}.jsonl" for task in TASKS]


def test_a_sample_has_the_keys_of_the_harness_and_texts_where_it_has_texts(written):
    for path in written[1][:-1]:
        for number, sample in enumerate(samples(path)):
            assert list(sample) == SAMPLE.split()
            assert sample["doc_id"] == number
            assert list(sample["arguments"]) == ["gen_args_0", "gen_args_1", "gen_args_2"]
            assert [each["arg_1"] for each in sample["arguments"].values()] == [" neg", " pos", " tale"]
            assert [len(each) for each in sample["resps"]] == [1, 1, 1]
            assert [each[0] for each in sample["resps"]] == sample["filtered_resps"]
            assert all(isinstance(text, str) for each in sample["filtered_resps"] for text in each)
            assert sample["metrics"] == ["acc"]


def test_documents_prompts_and_targets_are_those_of_the_data_set_with_their_hashes(written):
    for row, sample in zip(rows("test"), samples(written[1][1]), strict=True):
        doc = sample["doc"]
        assert doc["text"] == row["text"]
        assert sample["target"] == str(CLASSES.index(row["label"]))
        prompts = {each["arg_0"] for each in sample["arguments"].values()}
        assert prompts == {f"{row['text']} is"}
        assert sample["doc_hash"] == digest(json.dumps(doc, indent=2, ensure_ascii=False))
        assert sample["prompt_hash"] == digest(f"{row['text']} is")
        assert sample["target_hash"] == digest(sample["target"])


def test_answers_are_the_log_probabilities_of_the_lake(recorded, written):
    plan, _ = recorded
    fits = [(fit, seed) for fit in plan.fits for seed in fit.predictions.spec.seeds]
    for (fit, seed), path in zip(fits, written[1][:-1], strict=True):
        table = fit.predictions.partition(Lake(plan.home)).table()
        mask = pc.and_(pc.equal(table["split"], "test"), pc.equal(table["seed"], seed))
        stored = np.array(table.filter(mask)["probabilities"].to_pylist())
        read = samples(path)
        answers = np.array([[float(log) for log, _ in sample["filtered_resps"]] for sample in read])
        np.testing.assert_allclose(np.exp(answers), stored, rtol=1e-6)
        chosen = [[flag for _, flag in sample["filtered_resps"]].index("True") for sample in read]
        assert chosen == stored.argmax(1).tolist()
        assert [sample["acc"] for sample in read] == [
            float(c == int(s["target"])) for c, s in zip(chosen, read, strict=True)
        ]


def test_the_results_are_those_of_the_samples(written):
    results = json.loads(written[1][-1].read_text())
    for name in TABLES:
        assert list(results[name]) == TASKS
    for task, path in zip(TASKS, written[1][:-1], strict=True):
        read = samples(path)
        y = [int(sample["target"]) for sample in read]
        p = [np.argmax([float(log) for log, _ in sample["filtered_resps"]]) for sample in read]
        figures = results["results"][task]
        assert figures["acc,none"] == pytest.approx(accuracy_score(y, p))
        assert figures["macro_f1,none"] == pytest.approx(f1_score(y, p, average="macro", zero_division=0))
        hits = np.array([sample["acc"] for sample in read])
        assert figures["acc_stderr,none"] == pytest.approx(np.std(hits, ddof=1) / np.sqrt(len(hits)))
        assert results["n-samples"][task] == {"original": 24, "effective": 24}
        assert results["n-shot"][task] == results["configs"][task]["num_fewshot"] == 0
        hashes = "".join(each["doc_hash"] + each["prompt_hash"] + each["target_hash"] for each in read)
        assert results["task_hashes"][task] == digest(hashes)
    assert results["model_name"] == "made/model"
    assert results["model_name_sanitized"] == "made__model"
    assert results["configs"][TASKS[1]]["metadata"]["shots"] == "4"


def test_other_readers_find_one_type_a_column(written):
    table = pyarrow.json.read_json(written[1][1])
    assert table.column_names == SAMPLE.split()
    assert len(table) == 24


def test_some_fits_are_chosen_and_another_split(recorded, tmp_path):
    plan, key = recorded
    run = RecordedRun(plan.home, key)
    paths = write_harness(run, tmp_path / "some", {"method": "centroid", "shots": None}, "validation")
    assert len(paths) == 3
    assert len(samples(paths[0])) == 12
    with pytest.raises(BadInput, match=r"no predictions of method 'ridge'"):
        write_harness(run, tmp_path / "none", {"method": "ridge"})
    assert not (tmp_path / "none").exists()
    with pytest.raises(BadInput, match="is not there, or is empty"):
        write_harness(run, tmp_path / "some", {})


def test_prompts_with_demonstrations_are_counted_and_not_spelled_out(shown, tmp_path):
    plan, key = shown
    run = RecordedRun(plan.home, key)
    paths = write_harness(run, tmp_path / "out", {"method": "icl"})
    results = json.loads(paths[-1].read_text())
    assert set(results["n-shot"].values()) == {3}
    assert {each["num_fewshot"] for each in results["configs"].values()} == {3}
    for path in paths[:-1]:
        for sample in samples(path):
            assert sample["arguments"]["gen_args_0"]["arg_0"] == f"{sample['doc']['text']} is"
    plain = json.loads(write_harness(run, tmp_path / "plain", {"method": "zero_shot"})[-1].read_text())
    assert set(plain["n-shot"].values()) == {0}


def test_a_limit_of_rows_is_what_there_is(shown, tmp_path):
    plan, key = shown
    paths = write_harness(RecordedRun(plan.home, key), tmp_path / "out", {})
    assert {len(samples(path)) for path in paths[:-1]} == {12}


def test_the_same_run_is_written_the_same(recorded, written, tmp_path):
    plan, key = recorded
    again = write_harness(RecordedRun(plan.home, key), tmp_path / "again", {})
    assert [path.name for path in again] == [path.name for path in written[1]]
    for one, other in zip(written[1], again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_method_over_texts_has_the_text_as_its_prompt(tmp_path):
    plan, key = record(tmp_path / "texts", methods=["tfidf", "centroid"], shots=[4])
    paths = write_harness(RecordedRun(plan.home, key), tmp_path / "out", {"method": "tfidf"})
    results = json.loads(paths[-1].read_text())
    assert {each["doc_to_text"] for each in results["configs"].values()} == {"{text}"}
    for sample in samples(paths[0]):
        assert sample["arguments"]["gen_args_0"]["arg_0"] == sample["doc"]["text"]
