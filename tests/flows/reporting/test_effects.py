"""Gains and ranks against the rows of the catalog they are made of."""

import re

import pytest

from flows.planning.contrasts import REFERENCE
from flows.reporting import effects
from tests.warehouse.catalog.test_named_queries import put_score
from tests.warehouse.lakes import put_comparisons, put_run
from warehouse.catalog import catalog
from warehouse.home import Home
from warehouse.lake.partition import Lake


def difference(method, reference, question, value, metric="macro_f1"):
    return (question, method, reference, metric, value, value - 0.1, value + 0.1, 0.01, None)


OURS = [
    difference(REFERENCE, f"{REFERENCE}+random", "both over random", 0.304),
    difference(f"{REFERENCE}+anchors", f"{REFERENCE}+random", "anchors over random", -0.046),
    difference(f"{REFERENCE}+head", f"{REFERENCE}+random", "head over random", 0.35),
    difference(REFERENCE, f"{REFERENCE}+head", "both over head", -0.9),
    difference(REFERENCE, f"{REFERENCE}+none", "both over none", 0.2),
    difference(f"{REFERENCE}+head", f"{REFERENCE}+none", "head over none", 0.7),
    difference(f"{REFERENCE}+random", f"{REFERENCE}+none", "random over none", -0.1),
]
OTHERS = [
    difference("anchor_similarity", "anchor_similarity+random", "anchors over random", 0.5),
    difference("centroid", REFERENCE, "baseline", -0.2),
    difference(REFERENCE, f"{REFERENCE}+random", "anchors over random", 9.0, metric="nll"),
]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two data sets under one run: its home and its key."""
    home = Home(tmp_path_factory.mktemp("effects"))
    lake = Lake(home)
    comparisons = [
        put_comparisons(lake, "tiny", "mr", "0", OTHERS[:1]),
        put_comparisons(lake, "tiny", "mr", "4", OTHERS + OURS),
        put_comparisons(lake, "tiny", "mr", "all", OURS[:1] + OTHERS),
        put_comparisons(lake, "tiny", "trec", "4", OTHERS),
    ]
    scores = {"mr": {"one": 0.5, "two": 0.5, "three": 0.1}, "trec": {"one": 0.2, "two": 0.6, "three": 0.1}}
    made = [put_score(lake, d, method, "4", f1) for d, each in scores.items() for method, f1 in each.items()]
    run = put_run(lake, "paper", made, comparisons)
    put_run(lake, "single", made[:2])
    catalog.rebuild(home)
    return home, run.key


def test_a_line_has_the_gain_at_each_number_of_shots(compared):
    home, run = compared
    assert effects.gains(home, run)["mr", "tiny"] == [
        "0 shots, anchor_similarity, gain over random anchors: +0.50 [+0.40, +0.60]",
        "4 shots, gain over no vocabulary: +0.20 [+0.10, +0.30]; gain over random anchors: +0.30 [+0.20, +0.40];"
        " anchors only: -0.05 [-0.15, +0.05];"
        " head rows only: +0.35 [+0.25, +0.45]",
        "all shots, gain over random anchors: +0.30 [+0.20, +0.40]",
    ]


def test_lines_are_of_a_run_an_experiment_or_a_data_set(compared):
    home, run = compared
    everything = effects.gains(home, run)
    assert list(everything) == [("mr", "tiny"), ("trec", "tiny")]
    assert effects.gains(home) == effects.gains(home, experiment="paper") == everything
    assert list(effects.gains(home, dataset="trec")) == [("trec", "tiny")]
    assert effects.gains(home, experiment="single") == effects.gains(home, "0" * 64) == {}


def test_ranks_are_averaged_over_data_sets_best_first(compared):
    home, run = compared
    assert effects.ranks(home, run) == {"tiny": {"two": {"4": 1.25}, "one": {"4": 1.75}, "three": {"4": 3.0}}}
    assert list(effects.ranks(home, run)["tiny"]) == ["two", "one", "three"]


def test_one_data_set_is_no_average(compared):
    home, _ = compared
    (single,) = catalog.query(home, "select key from runs where experiment = 'single'")["key"].to_pylist()
    assert effects.ranks(home, single) == {}


def test_the_gains_of_a_whole_run_are_those_of_its_comparisons(ran):
    world, run = ran
    (lines,) = effects.gains(world.home, run).values()
    stored = catalog.query(world.home, "from anchor_gains where method = $m order by shots_order", {"m": REFERENCE})
    expected = {row["shots"]: effects.format_difference(row) for row in stored.to_pylist()}
    assert list(expected) == [str(fit.shots) for fit in world.plan().pairs[0].fits if fit.name == REFERENCE]
    assert {line.split()[0]: re.search(r"anchors: (.*)$", line)[1] for line in lines} == expected


def test_shots_are_sorted_as_numbers_with_all_last():
    assert effects.sort_shots({"16", "all", "4", "0", "256"}) == ["0", "4", "16", "256", "all"]
