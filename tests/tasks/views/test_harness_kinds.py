"""Samples of the harness for sets of labels and for numbers: a text for an answer, its metrics, its hashes."""

import json
from hashlib import sha256

import numpy as np
import pyarrow.json
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

from tasks.views.harness_files import write_harness
from tasks.views.harness_samples import form_of
from tasks.views.recorded_run import Predictions, RecordedRun
from tests.tasks.views.recorded import CLASSES, record, rows
from vocabsem.datasets.label_values import label_text
from warehouse.lake.partition import Lake

KINDS = {"several": "multi_ridge", "numbers": "ridge_regression"}


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Kind, plan, samples by task, results."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = {request.param: ("given",), "methods": [KINDS[request.param]]}
    plan, key = record(folder, ("given",), **settings)
    *paths, last = write_harness(RecordedRun(plan.home, key), folder / "out", {})
    results = json.loads(last.read_text())
    samples = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    for path in paths:
        assert pyarrow.json.read_json(path).num_rows == 24, "one type a column"
    return request.param, plan, dict(zip(results["results"], samples, strict=True)), results


def stored(plan, task):
    """What the lake has of a task, by id."""
    (fit,) = (fit for fit in plan.fits if f"_{fit.shots}_shots" in task)
    table = fit.predictions.partition(Lake(plan.home)).table().to_pandas()
    return table[(table.split == "test") & (table.seed == int(task[-1]))].set_index("id")


def test_an_answer_is_the_text_of_what_the_lake_has(written):
    kind, plan, tasks, _ = written
    assert len(tasks) == 3
    for task, samples in tasks.items():
        table = stored(plan, task).loc[[sample["doc"]["id"] for sample in samples]]
        if kind == "several":
            expected = [label_text(CLASSES, each) for each in table.predicted_labels]
            assert len({text.count(",") for text in expected}) > 1, "sets of several sizes"
            assert [sample["filtered_resps"][0] for sample in samples] == expected
        else:
            assert [float(sample["filtered_resps"][0]) for sample in samples] == table.predicted_value.tolist()


def test_targets_and_requests_are_those_of_texts(written):
    kind, _, tasks, results = written
    truth = [", ".join(row["sets"]) if kind == "several" else str(row["worth"]) for row in rows("test")]
    for task, samples in tasks.items():
        assert [sample["target"] for sample in samples] == truth
        for row, sample in zip(rows("test"), samples, strict=True):
            assert sample["arguments"] == {"gen_args_0": {"arg_0": f"{row['text']} is", "arg_1": {"until": ["\n"]}}}
            assert sample["resps"] == [sample["filtered_resps"]]
            assert sample["target_hash"] == sha256(sample["target"].encode()).hexdigest()
        config = results["configs"][task]
        assert config["output_type"] == "generate_until"
        assert config["generation_kwargs"] == {"until": ["\n"]}
        assert "doc_to_choice" not in config


def test_sets_are_measured_as_scikit_learn_measures_them(written):
    kind, _, tasks, results = written
    if kind != "several":
        return
    for task, samples in tasks.items():
        labels, predicted = (
            np.array([[name in text.split(", ") for name in CLASSES] for text in texts])
            for texts in zip(*((each["target"], each["filtered_resps"][0]) for each in samples), strict=True)
        )
        figures = results["results"][task]
        assert figures["exact_match,none"] == pytest.approx(accuracy_score(labels, predicted))
        assert figures["exact_match,none"] == pytest.approx(np.mean([each["exact_match"] for each in samples]))
        for average in ("macro", "micro"):
            assert figures[f"{average}_f1,none"] == pytest.approx(f1_score(labels, predicted, average=average))
            assert figures[f"{average}_f1_stderr,none"] == "N/A"
        assert results["higher_is_better"][task] == {"exact_match": True, "macro_f1": True, "micro_f1": True}


def test_numbers_are_measured_as_the_libraries_measure_them(written):
    kind, _, tasks, results = written
    if kind != "numbers":
        return
    for task, samples in tasks.items():
        truth, answers = (
            np.array(each, float)
            for each in zip(*((each["target"], each["filtered_resps"][0]) for each in samples), strict=True)
        )
        figures = results["results"][task]
        assert figures["mae,none"] == pytest.approx(mean_absolute_error(truth, answers))
        assert figures["rmse,none"] == pytest.approx(root_mean_squared_error(truth, answers))
        assert figures["r2,none"] == pytest.approx(r2_score(truth, answers))
        assert figures["spearman,none"] == pytest.approx(spearmanr(truth, answers)[0])
        errors = [sample["mae"] for sample in samples]
        np.testing.assert_allclose(errors, np.abs(truth - answers))
        assert figures["mae_stderr,none"] == pytest.approx(np.std(errors, ddof=1) / 24**0.5)
        assert results["higher_is_better"][task] == {"mae": False, "rmse": False, "r2": True, "spearman": True}
        of = {each["metric"]: each["aggregation"] for each in results["configs"][task]["metric_list"]}
        assert of == {"mae": "mean", "rmse": "rmse", "r2": "r2", "spearman": "spearman"}


def test_r2_of_equal_targets_is_no_number_of_json():
    form = form_of(np.full(3, 2.0), options=False)
    results = form.results(np.full(3, 2.0), Predictions(0, None, np.array([1.0, 2.0, 4.0])))
    assert results["mae,none"] == 1.0
    json.dumps(results, allow_nan=False)
