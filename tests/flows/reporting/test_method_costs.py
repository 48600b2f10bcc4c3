"""What methods cost, as query, view and report state it, against what was put into the manifests."""

import pytest

from flows.reporting.report import report
from tests.flows.reporting.test_report import table
from tests.tasks.views.recorded import record
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import run_named_query
from warehouse.errors import QueryRefused
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return record(tmp_path_factory.mktemp("costs"), datasets=("made", "other"))[0]


def stored_bytes(plan, dataset):
    """Of the test states of a data set, a text."""
    (pair,) = (pair for pair in plan.pairs if pair.dataset.name == dataset)
    manifest = pair.states["test"].partition(Lake(plan.home)).manifest()
    return sum(entry.bytes for entry in manifest.files) / 24


def test_every_fit_has_the_time_and_the_bytes_of_its_partitions(plan):
    result = query(plan.home, "from costs").to_pylist()
    assert len(result) == len(plan.fits) == 6
    for row in result:
        assert row["text_milliseconds"] == pytest.approx(10), "ten milliseconds per prompt"
        assert row["fit_seconds"] == pytest.approx(0.25 if row["method"] == "zero_shot" else 0.375), "one seed, or two"
        assert row["method_bytes"] == len(b"weights")
        assert row["state_bytes"] == pytest.approx(stored_bytes(plan, row["dataset"]))


def test_the_query_states_means_over_data_sets_or_one_of_them(plan):
    board = query(plan.home, "from leaderboard").to_pylist()
    for given in ({}, {"dataset": "made"}):
        result = run_named_query(plan.home, "cost", given).to_pylist()
        assert (result[0]["method"], result[0]["shots"]) == ("zero_shot", "0")
        for row in result:
            scores = [
                each["macro_f1"]
                for each in board
                if each["method"] == row["method"] and given.get("dataset") in (None, each["dataset"])
            ]
            assert row["datasets"] == len(scores) == 2 - len(given)
            assert row["macro_f1"] == pytest.approx(sum(scores) / len(scores))


def test_the_report_has_a_row_for_each_method(plan):
    result = table(report(plan.home, "tiny"), "Costs by method")
    assert list(result) == ["zero_shot", "centroid", "linear_probe"]
    assert result["centroid"]["shots"] == "4"
    assert result["centroid"]["ms per text"] == "10.00"
    assert result["centroid"]["s per fit"] == "0.38"
    assert result["centroid"]["bytes learned"] == "7"


def test_what_was_removed_has_no_cost_and_no_guess(tmp_path):
    plan, _ = record(tmp_path, methods=["zero_shot"], shots=[0], seeds=[0])
    step = plan.pairs[0].states["test"].partition(Lake(plan.home))
    for path in step.path.iterdir():
        path.unlink()
    rebuild(plan.home)
    (row,) = query(plan.home, "from costs").to_pylist()
    assert row["text_milliseconds"] is row["state_bytes"] is None
    assert row["method_bytes"] == 7
    assert table(report(plan.home, "tiny"), "Costs by method")["zero_shot"]["ms per text"] == ""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A run in which prompts with demonstrations take three times as long; ridge is fitted at two budgets."""
    methods = ["zero_shot", {"method": "zero_shot", "demonstrations": 1, "label": "icl"}, "ridge"]
    return record(tmp_path_factory.mktemp("shown"), methods=methods, shots=[0, 4, "all"])[0]


def test_prompts_with_demonstrations_cost_what_their_own_states_took(shown):
    result = {row["method"]: row for row in query(shown.home, "from costs").to_pylist()}
    assert result["zero_shot"]["text_milliseconds"] == pytest.approx(10)
    assert result["icl"]["text_milliseconds"] == pytest.approx(30), "mean over the states of two seeds"
    assert result["ridge"]["text_milliseconds"] == pytest.approx(10)


def test_the_report_takes_each_method_at_its_most_labels(shown):
    result = table(report(shown.home, "tiny"), "Costs by method")
    assert {name: row["shots"] for name, row in result.items()} == {"zero_shot": "0", "icl": "1", "ridge": "all"}


def test_one_budget_is_chosen(shown):
    result = run_named_query(shown.home, "cost", {"shots": "4"}).to_pylist()
    assert [(row["method"], row["shots"]) for row in result] == [("ridge", "4")]


def test_step_costs_are_those_of_the_partitions(shown):
    (states,) = run_named_query(shown.home, "step-costs", {"step": "states"}).to_pylist()
    manifests = list(Lake(shown.home).manifests("states"))
    assert states["partitions"] == len(manifests)
    assert states["seconds"] == pytest.approx(sum(manifest.facts["seconds"] for manifest in manifests))
    assert states["bytes"] == sum(entry.bytes for manifest in manifests for entry in manifest.files)


def test_without_ours_no_wins_are_counted_and_one_data_set_has_no_ranks(shown):
    page = report(shown.home, "tiny")
    assert "### Wins, ties and losses" not in page
    assert "### Average ranks" not in page


def test_a_reference_that_nobody_ran_is_refused_with_the_nearest_one(shown):
    with pytest.raises(QueryRefused, match=r"nothing matches reference = 'rigde'.*did you mean 'ridge'"):
        run_named_query(shown.home, "wins", {"reference": "rigde"})
    assert len(run_named_query(shown.home, "wins", {"reference": "ridge"})) == 0, "it stands alone at its budgets"


def test_a_board_of_one_data_set_has_the_costs_of_that_set(plan):
    whole = {row["method"]: row for row in run_named_query(plan.home, "cost", {}).to_pylist()}
    parts = [run_named_query(plan.home, "cost", {"dataset": name}).to_pylist() for name in ("made", "other")]
    for one, other in zip(*parts, strict=True):
        both = whole[one["method"]]
        assert both["state_bytes"] == pytest.approx((one["state_bytes"] + other["state_bytes"]) / 2)
        assert both["accuracy"] == pytest.approx((one["accuracy"] + other["accuracy"]) / 2)
