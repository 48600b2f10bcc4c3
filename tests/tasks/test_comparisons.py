"""The comparisons partition against the figures it compares and the functions that compare them."""

import numpy as np
import pytest

from tasks.comparisons import METRICS
from tasks.steps.samples import RESAMPLES, paired
from tests.tasks.test_fits import predictions_of
from tests.tasks.test_metrics import figures_of
from tests.tasks.worlds import World, compute, fit_of, snapshot
from tests.vocabsem.method_data import make_space
from vocabsem.evaluation.comparison import holm, paired_bootstrap
from vocabsem.evaluation.resampling import BootstrapSample
from vocabsem.methods import VocabularyCalibrator
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def rows(done):
    """{(shots, question, method, reference, metric): row}"""
    result = {}
    for step in done.pairs[0].compared:
        for row in step.partition(Lake(done.home)).table().to_pylist():
            key = tuple(row[name] for name in ("question", "method", "reference", "metric"))
            assert result.setdefault((step.spec.shots, *key), row) is row, "each once"
    return result


def test_every_contrast_of_the_plan_has_a_row_for_each_figure(done, rows):
    expected = {
        (step.coordinates["shots"], *contrast, metric)
        for step in done.pairs[0].compared
        for contrast in step.spec.contrasts
        for metric in METRICS
    }
    assert set(rows) == expected
    ours = {str(fit.shots) for fit in done.pairs[0].fits if fit.name == "vocabulary_calibrator"}
    assert {shots for shots, *_ in rows} == ours >= {"1", "4", "all"}
    default = VocabularyCalibrator(make_space()).targets
    assert {question for _, question, *_ in rows} == {"rival", f"{default} over random"}


def test_a_difference_is_that_of_the_two_scores(done, rows):
    for (shots, _, method, reference, metric), row in rows.items():
        fits = [fit_of(done, name, shots if shots == "all" else int(shots)) for name in (method, reference)]
        one, other = (figures_of(done, fit)["test", None, metric]["value"] for fit in fits)
        assert row["difference"] == pytest.approx(one - other, abs=1e-6)
        assert row["low"] <= row["difference"] <= row["high"]
        assert 2 / (RESAMPLES + 1) <= row["p"] <= 1


@pytest.mark.parametrize(("method", "shots"), [("linear_probe", 4), ("paper_calibrator+epochs-2", "all")])
def test_an_interval_is_that_of_the_paired_bootstrap(done, rows, method, shots):
    fits = [fit_of(done, name, shots) for name in (method, "vocabulary_calibrator")]
    stored = [predictions_of(done, fit) for fit in fits]
    labels = stored[0][0][1]
    answers = [np.stack([probabilities for *_, probabilities in each.values()]) for each in stored]
    expected = paired_bootstrap(labels, *answers, metric="macro_f1", resamples=RESAMPLES)
    row = rows[str(shots), "rival", method, "vocabulary_calibrator", "macro_f1"]
    result = [row[name] for name in ("difference", "low", "high", "p")]
    assert result == pytest.approx([expected.value, expected.low, expected.high, expected.p], abs=1e-9)


def test_the_rivals_of_one_number_of_shots_are_corrected_together(rows):
    for shots in ("1", "4", "all"):
        for metric in METRICS:
            mine = [row for (n, question, *_, m), row in rows.items() if (n, question, m) == (shots, "rival", metric)]
            assert len(mine) == 5
            assert [row["p_holm"] for row in mine] == pytest.approx(holm([row["p"] for row in mine]))
    assert {row["p_holm"] for (_, question, *_), row in rows.items() if question != "rival"} == {None}


def test_methods_are_paired_on_the_seeds_that_both_have():
    def of(*seeds):
        values = np.array(seeds) / 10
        return list(seeds), {"nll": BootstrapSample(values, np.tile(values, (3, 1)))}

    one, other = paired(of(5, 7, 9), of(9, 5), "nll", single=False)
    assert (one.values.tolist(), other.values.tolist()) == ([0.5, 0.9], [0.5, 0.9])
    assert one.replicates.shape == other.replicates.shape == (3, 2)
    one, other = paired(of(5, 7, 9), of(5), "nll", single=False)
    assert (one.values.tolist(), other.values.tolist()) == ([0.5], [0.5]), "the same shots"
    one, other = paired(of(5, 7, 9), of(5), "nll", single=True)
    assert (len(one.values), len(other.values)) == (3, 1), "nothing was drawn for the second"
    assert paired(of(5), of(7), "nll", single=False) is None


def test_a_method_of_fewer_seeds_is_compared_on_those(tmp_path):
    methods = ["vocabulary_calibrator", {"method": "linear_probe", "seeds": 1}]
    plan = World(tmp_path, experiment={"methods": methods, "shots": [4], "champion": False}).plan()
    compute(plan)
    (step,) = plan.pairs[0].compared
    (row,) = (r for r in step.partition(Lake(plan.home)).table().to_pylist() if r["metric"] == "macro_f1")
    one, other = (figures_of(plan, fit_of(plan, name, 4)) for name in ("linear_probe", "vocabulary_calibrator"))
    seed = plan.experiment.seeds[0]
    expected = one["test", seed, "macro_f1"]["value"] - other["test", seed, "macro_f1"]["value"]
    assert row["difference"] == pytest.approx(expected, abs=1e-6)


def test_comparing_again_changes_no_file(done):
    before = snapshot(done.home.lake)
    compute(done, ("comparisons",))
    assert snapshot(done.home.lake) == before
