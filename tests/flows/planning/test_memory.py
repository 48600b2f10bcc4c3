"""What fits need is known before they start, and refused where it is not there."""

import json

import pytest

from flows.cli import plan_view
from flows.planning import memory
from flows.planning.memory import needs, require_memory
from tests.tasks.worlds import SPLITS, World, compute, with_store
from vocabsem.errors import DataError
from vocabsem.methods.info import STATES_LIMIT
from vocabsem.methods.registry import method_info


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A world of which the examples are there."""
    world = with_store(World(tmp_path_factory.mktemp("read")))
    compute(world.plan(), ("examples",))
    return world


def of(plan, name, shots):
    (pair,) = plan.pairs
    return next(need for need in needs(plan, pair) if (need.fit.name, need.fit.shots) == (name, shots))


def test_nothing_is_known_of_rows_that_were_never_read(world):
    plan = world.plan()
    assert not list(needs(plan, plan.pairs[0]))


def test_a_fit_needs_what_its_method_states_for_the_rows_it_is_given(read):
    plan, rows = read.plan(), round(SPLITS["train"] + SPLITS["validation"]) * 3 // 4
    kept = 4 * 32 * rows
    of_seed = method_info("linear_probe").fit_bytes(rows, rows, 32, 3)
    assert of(plan, "linear_probe", "all").training == kept + 2 * of_seed, "labeled and unlabeled, of two seeds"
    of_seed = method_info("centroid").fit_bytes(rows, rows, 32, 3)
    assert of(plan, "centroid", "all").training == kept + of_seed, "a single seed, where none matters"
    few = of(plan, "linear_probe", 4).training
    assert few == kept + 2 * 4 * 32 * 12 + 2 * method_info("linear_probe").fit_bytes(12, rows, 32, 3), "of two seeds"
    assert of(plan, "zero_shot", 0).training < kept


def test_rows_layers_and_seeds_cost_memory(read):
    base = read.plan()
    deeper, more = read.plan(layers=[1, 2, 3]), read.plan(seeds=[0, 1, 2, 3])
    assert of(deeper, "linear_probe", "all").training > 2 * of(base, "linear_probe", "all").training
    assert of(deeper, "zero_shot", 0).training < of(deeper, "linear_probe", 4).training
    assert of(more, "centroid", 4).evaluation > 1.3 * of(base, "centroid", 4).evaluation
    assert of(more, "centroid", 4).bytes < STATES_LIMIT


def test_states_that_are_mapped_do_not_count(read, monkeypatch):
    rows = round(SPLITS["train"] + SPLITS["validation"]) * 3 // 4
    before = of(read.plan(), "centroid", "all")
    monkeypatch.setattr("tasks.steps.lake_reads.MAX_CACHED_BYTES", 0)
    monkeypatch.setattr("tasks.steps.lake_reads.BLOCK", 1000)
    assert of(read.plan(), "centroid", "all").training == before.training - 4 * 32 * rows + 2000


def test_too_little_memory_is_one_error_with_figures_and_fix(read, monkeypatch):
    plan = read.plan(methods=["zero_shot", "linear_probe"])
    (pair,) = plan.pairs
    require_memory(plan, pair)
    need = of(plan, "linear_probe", "all")
    monkeypatch.setattr(memory, "available_memory", lambda: need.bytes)
    require_memory(plan, pair)
    monkeypatch.setattr(memory, "available_memory", lambda: need.bytes - 1)
    with pytest.raises(
        DataError, match=r"linear_probe at all shots of dataset 'made' needs about .* GB .* lower 'limits"
    ):
        require_memory(plan, pair)
    require_memory(plan, pair, {fit.predictions.key for fit in pair.fits if fit.name == "zero_shot"})


def test_a_run_without_the_memory_computes_no_state(read, recorded, monkeypatch):
    from flows.pipeline import pipeline

    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with recorded(read.home), pytest.raises(DataError, match=r"needs about 0\.0 GB of memory"):
        pipeline(experiment=read.card, home=str(read.home.root))
    assert not list((read.home.lake / "states").glob("**/part-*"))


def test_the_plan_prints_it(read, capsys):
    plan_view.show_plan(read.plan(), as_json=True)
    cost = json.loads(capsys.readouterr().out)["cost"]
    (pair,) = read.plan().pairs
    assert cost["memory"] == max(need.bytes for need in needs(read.plan(), pair)) > 0
    plan_view.show_plan(read.plan(), as_json=False)
    assert "to fit: up to 0.0 GB of memory" in capsys.readouterr().out
