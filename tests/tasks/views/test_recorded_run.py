"""A recorded run as it is read for others: fits in the card's order, each with what it goes back to."""

import numpy as np
import pyarrow.compute as pc

from tasks.views.recorded_run import RecordedRun
from warehouse.lake.partition import Lake


def run_of(recorded):
    plan, key = recorded
    return plan, RecordedRun(plan.home, key)


def test_fits_are_those_of_the_plan_in_its_order(recorded):
    plan, run = run_of(recorded)
    assert [fit.key for fit in run.fits] == [fit.metrics.key for fit in plan.fits]
    for planned, fit in zip(plan.fits, run.fits, strict=True):
        assert list(run.where(fit)) == ["model", "dataset", "method", "shots"], "as the folders of the lake lie"
        assert list(run.where(fit).values()) == ["made-model", "made", planned.name, str(planned.shots)]
        assert run.predictions_of(fit).key == planned.predictions.key
        assert {row["metric"] for row in run.metrics(fit)} >= {"macro_f1", "nll", "fit_seconds"}


def test_partitions_are_all_that_the_run_goes_back_to(recorded):
    plan, run = run_of(recorded)
    assert run.record.key == plan.run.key
    expected = {step.key for step in plan.steps()}
    assert set(run.partitions) == expected - {step.key for step in plan.pairs[0].compared}
    assert [row.what for row in run.of_kind("anchors")] == ["made-model"]
    assert len(run.of_kind("states")) == 3


def test_examples_are_read_in_their_published_order(recorded):
    plan, run = run_of(recorded)
    table = run.examples("made", ["id", "split"])
    assert table.column_names == ["id", "split"]
    assert table.equals(plan.pairs[0].examples.partition(Lake(plan.home)).table(["id", "split"]))


def test_rows_are_put_into_the_order_of_the_given_ids(recorded):
    _, run = run_of(recorded)
    table = run.examples("made", ["id", "split"])
    ids = table.filter(pc.equal(table["split"], "test"))["id"].to_pylist()
    for fit in run.fits:
        straight, turned = (
            {seed: answers for seed, answers, _ in run.predictions(fit, "test", each)} for each in (ids, ids[::-1])
        )
        assert list(straight) == list(turned) == list(run.fit_spec(fit).seeds)
        for seed, probabilities in straight.items():
            assert probabilities.shape == (24, 3)
            np.testing.assert_array_equal(probabilities, turned[seed][::-1])


def test_states_are_those_that_a_seed_read(shown):
    plan, run = run_of(shown)
    states = plan.pairs[0].states
    plain, icl = run.fits[0], run.fits[-1]
    assert run.where(icl)["method"] == "icl"
    assert run.states_of(plain, "test", 0).key == states["test"].key
    for seed in (0, 1):
        assert run.states_of(icl, "test", seed).key == states[f"test+demos-1@{seed}"].key
    assert run.states_of(plain, "train", 0) is None, "it reads none"
