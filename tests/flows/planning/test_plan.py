"""The plan: which steps an experiment needs, in what order, and which of them are done."""

import dataclasses

import pytest

from flows.planning.data_dir import find_data_dir
from tests.tasks.worlds import World, compute, dataset_card, fit_of, model, snapshot, write_card
from tests.vocabsem.bidirectional import save
from vocabsem.errors import CardError, SourceError
from vocabsem.methods.registry import method_info

FITTED = {"predictions", "metrics", "comparisons", "runs"}


def keys(plan, kind):
    return [step.key for step in plan.steps() if step.kind == kind]


def test_every_step_comes_once_and_after_those_it_reads(world):
    seen = []
    for step in world.plan().steps():
        assert step.key not in seen
        assert set(step.inputs.values()) <= set(seen)
        seen.append(step.key)
    kinds = [step.kind for step in world.plan().steps()]
    fits = 2 + 3 * 6 + 2  # two methods without labels, six at three numbers of shots, ours and its control also at none
    expected = {
        "examples": 1,
        "anchors": 1,
        "states": 3,
        "predictions": fits,
        "metrics": fits,
        "comparisons": 4,
        "runs": 1,
    }
    assert {kind: kinds.count(kind) for kind in kinds} == expected


def test_planning_computes_nothing_and_writes_nothing_into_the_lake(world):
    plan = world.plan()
    assert plan.missing() == list(plan.steps())
    assert not plan.done
    assert not world.home.lake.exists()
    assert {path.parent.name for path in snapshot(world.home.root)} == {"receipts"}


def test_what_is_published_is_not_missing_and_a_lost_calibrator_is(world):
    plan = world.plan(methods=["linear_probe"], shots=[2])
    compute(plan, ("examples", "states"))
    assert {step.kind for step in plan.missing()} == {"anchors", "predictions", "metrics", "runs"}
    compute(plan, ("anchors", "predictions", "metrics"))
    assert [step.kind for step in plan.missing()] == ["runs"]
    (fit,) = plan.pairs[0].fits
    fit.predictions.partition(plan.lake).file("seed-0.safetensors").unlink()
    assert [step.kind for step in plan.missing()] == ["predictions", "runs"]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, set()),
        ({"description": "another"}, set()),
        ({"shard_rows": 7}, set()),
        ({"device": "auto"}, set()),
        ({"models": ["model.yaml"]}, set()),
        ({"dtype": "bfloat16"}, {"states", *FITTED}),
        ({"max_tokens": 20}, {"states", *FITTED}),
        ({"max_tokens": 9999}, set()),  # the model's own limit is lower
        ({"layers": [3]}, set()),
        ({"layers": [-1]}, set()),
        ({"layers": [2]}, {"states", *FITTED}),
        ({"pooling": "mean"}, {"states", *FITTED}),
        ({"limits.test": 9}, {"examples", "states", *FITTED}),
        ({"gauge": "centered"}, {"anchors", *FITTED}),
        ({"champion": False}, {"runs"}),
        ({"name": "other"}, {"runs"}),
        ({"shots": [0, 1, "all"]}, {"runs"}),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given),
)
def test_a_setting_changes_the_steps_that_depend_on_it(world, monkeypatch, changes, kinds):
    monkeypatch.chdir(world.folder)
    before, after = world.plan(), world.plan(**changes)
    assert {step.kind for step in after.steps() if step.key not in {s.key for s in before.steps()}} == kinds


def test_more_shots_are_new_fits_on_the_states_there_are(world):
    plan = world.plan(methods=["linear_probe", "zero_shot"], shots=[0, 2])
    compute(plan)
    more = world.plan(methods=["linear_probe", "zero_shot"], shots=[0, 2, 3])
    assert [step.kind for step in more.missing()] == ["predictions", "metrics", "runs"]


def test_seeds_are_those_that_matter(world):
    plan = world.plan(seeds=[3, 5, 7])
    for fit in plan.pairs[0].fits:
        moved = fit.shots not in (0, "all") or fit.method in ("paper_calibrator", "linear_probe")
        moved |= "random" in fit.name
        assert fit.predictions.spec.seeds == ((3, 5, 7) if moved else (3,)), fit.name


def test_two_cards_of_the_same_rows_are_both_built(world):
    """As when two templates are compared: the second card differs in its name and its template."""
    other = dataset_card(world.folder, name="again", template="film : {text} sentiment :")
    path = write_card(world.folder / "again.yaml", other)
    datasets = [str(world.folder / "dataset.yaml"), str(path)]
    plan = world.plan(datasets=datasets, methods=["zero_shot"], shots=[0])
    compute(plan)
    assert [step.kind for step in plan.missing()] == ["runs"]
    assert len(set(keys(plan, "examples"))) == len(set(keys(plan, "metrics"))) == 2
    assert len(keys(plan, "anchors")) == 1, "but the model's anchors are solved once"


def test_orders_and_noise_are_fits_of_their_own_and_change_no_other(world):
    shown = {"method": "zero_shot", "demonstrations": 2}
    before = world.plan(champion=False, methods=["linear_probe", shown])
    varied = [shown | {"order": 1}, {"method": "linear_probe", "label_noise": 0.2}]
    after = world.plan(champion=False, methods=["linear_probe", shown, *varied])
    old = {step.key for step in before.steps()}
    new = [step for step in after.steps() if step.key not in old and step.kind != "runs"]
    assert old - {before.run.key} < {step.key for step in after.steps()}
    states = [step for step in new if step.kind == "states"]
    orders = {step.key: step.spec.order for step in new if step.kind == "demonstrations"}
    assert [orders[step.spec.demonstrations] for step in states] == [1] * 4, "two splits, two seeds"
    methods = {step.coordinates["method"] for step in new if step.kind == "predictions"}
    assert methods == {"zero_shot+demos-2+order-1", "linear_probe+noise-0.2"}
    noisy = fit_of(after, "linear_probe+noise-0.2", 4).predictions
    clean = fit_of(after, "linear_probe", 4).predictions
    assert noisy.inputs == clean.inputs, "wrong labels need no other states"
    assert noisy.spec.method == clean.spec.method.model_copy(update={"label_noise": 0.2})


def test_a_method_that_answers_otherwise_than_before_is_fitted_again_and_no_other(world, monkeypatch):
    def keys():
        return {(fit.name, fit.shots): fit.predictions.key for fit in world.plan().pairs[0].fits}

    before, known = keys(), method_info("centroid")
    revised = dataclasses.replace(known, revision=known.revision + 1)
    monkeypatch.setattr(
        "flows.planning.plan.method_info", lambda name: revised if name == "centroid" else method_info(name)
    )
    assert {name for (name, shots), key in keys().items() if key != before[name, shots]} == {"centroid"}


def test_a_temperature_is_fitted_for_methods_that_do_not_calibrate_themselves(world):
    shown = ["linear_probe", "ridge", "paper_calibrator", {"method": "lora", "params": {"steps": 2}}]
    fits = world.plan(methods=shown, shots=[4], temperature=True).pairs[0].fits
    requested = {fit.method: fit.predictions.spec.temperature for fit in fits}
    assert requested == {"linear_probe": 5, "ridge": 0, "paper_calibrator": 2, "lora": True}
    plain = world.plan(methods=shown, shots=[4]).pairs[0].fits
    assert all("temperature" not in fit.predictions.payload for fit in plain)
    same = [fit.method for fit, other in zip(fits, plain, strict=True) if fit.predictions == other.predictions]
    assert same == ["ridge"]


def test_variants_of_a_data_set_are_planned_beside_it_and_a_method_may_leave_them_out(world):
    before = world.plan(champion=False)
    card = world.write_dataset(templates={"bare": "{text} :"}, words={"plain": ["was", "review", "film"]})
    assert [step.key for step in world.plan(champion=False).steps()] == [step.key for step in before.steps()]
    datasets = [f"{card}{variant}" for variant in ("", "@bare", "@words-plain")]
    methods = ["zero_shot", {"method": "linear_probe", "variants": False}]
    made, bare, plain = world.plan(champion=False, datasets=datasets, methods=methods).pairs
    assert {step.key for step in before.pairs[0].states.values()} >= {s.key for s in made.states.values()}
    assert [c.dataset.name for c in (bare, plain)] == ["made@bare", "made@words-plain"]
    assert {fit.name for fit in made.fits} == {"zero_shot", "linear_probe"}
    assert [fit.name for fit in bare.fits + plain.fits] == ["zero_shot"] * 2
    assert bare.states["test"].spec.template == "{text} :"
    assert plain.fits[0].predictions.spec.words == ("was", "review", "film")


def test_a_source_that_was_never_fetched_is_named_and_its_steps_are_unknown(world):
    source = "hf:datasets/someone/something@main"
    card = dataset_card(world.folder, name="hub", files={"all": source}, format="hub", split={})
    path = write_card(world.folder / "hub.yaml", card | {"splits": {"train": "train", "test": "test"}})
    plan = world.plan(datasets=[str(path), str(world.folder / "dataset.yaml")])
    assert plan.unfetched == [source]
    assert [pair.dataset.name for pair in plan.pairs] == ["made"]
    assert not plan.done


def test_layers_are_counted_from_both_ends(world):
    for given, expected in (
        ([0, "last"], [0, 3]),
        ([-2, -1, 3], [2, 3]),
        ([-4], [0]),
        (["0.3:mean", 1.0], ["1:mean", 3]),
    ):
        (pair,) = world.plan(layers=given).pairs
        assert pair.states["test"].spec.layers == tuple(expected)
    for wrong in (4, -5):
        with pytest.raises(CardError, match=r"with model .tiny-llama.: .*has layers 0 \(embedding\) to 3"):
            world.plan(layers=[wrong])


def test_poolings_that_are_not_for_a_model_are_refused(world, tmp_path):
    shown = [{"method": "zero_shot", "demonstrations": 1}]
    encoder = write_card(tmp_path / "encoder.yaml", save("bert", tmp_path / "bert", family="encoder").model_dump())
    for says, changes in (
        ("echo reads a prompt twice, and max_tokens 40 twice is over the context of 60", {"layers": ["last:echo"]}),
        ("context of 60: set max_tokens to 30 or less", {"pooling": "echo"}),
        ("those of zero_shot.demos-1 begin with demonstrations", {"layers": ["1:echo", "last"], "methods": shown}),
        ("the pooling 'weighted_mean' is for causal models", {"layers": ["1:weighted_mean"], "models": [str(encoder)]}),
    ):
        limit = 30 if "methods" in changes else 40
        write_card(world.folder / "model.yaml", model().model_copy(update={"context": 60}).model_dump(mode="json"))
        with pytest.raises(CardError, match=says):
            world.plan(**{"methods": ["zero_shot"], "max_tokens": limit, "champion": False} | changes)
    assert world.plan(layers=["1:echo", "last"], max_tokens=30).pairs[0].states["test"].spec.layers == ("1:echo", 3)


def test_entries_state_which_are_controls(world):
    controls = {fit.name for fit in world.plan().fits if fit.control}
    assert controls == {"vocabulary_calibrator+random", "linear_probe"}


def test_a_local_copy_is_found_by_folder_or_environment(tmp_path, monkeypatch):
    assert find_data_dir(None) is None
    assert find_data_dir(str(tmp_path)) == tmp_path
    monkeypatch.setenv("VOCABSEM_DATA_DIR", str(tmp_path))
    assert find_data_dir(None) == tmp_path
    with pytest.raises(SourceError, match="nowhere' does not exist"):
        find_data_dir(str(tmp_path / "nowhere"))


@pytest.mark.medium
def test_the_plan_is_done_only_with_a_catalog(ran, tmp_path):
    world, key = ran
    plan = world.plan()
    assert plan.done
    assert plan.run.key == key
    away = world.home.catalog.rename(tmp_path / "away")
    try:
        assert not plan.done
    finally:
        away.rename(world.home.catalog)


def test_a_world_elsewhere_has_the_same_keys(world, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    other = World(tmp_path / "elsewhere")
    assert [step.key for step in other.plan().steps()] == [step.key for step in world.plan().steps()]
