"""A method in a file beside the card: planned, fitted, stored, packed, and read again without the file."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from tasks.models.extensions import keep_method, method_name, method_source
from tasks.steps.lake_reads import read_states
from tasks.steps.predictions import calibrator_file
from tasks.tracking.packaging import packaged_classifier
from tests.tasks.worlds import World, compute, fit_of
from tests.vocabsem.method_data import PROBE
from vocabsem.errors import CardError
from vocabsem.methods.persistence import from_arrays
from warehouse.lake.partition import Lake

NAME = "my_probe+l2"
SPLIT = "test"


def world_in(folder, text=PROBE):
    (folder / "my_probe.py").write_text(text)
    methods = ["zero_shot", {"method": "my_probe:MyProbe", "params": {"order": "l2"}}]
    return World(folder, experiment={"methods": methods, "shots": [0, 4], "seeds": [0], "champion": False})


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Computed, and then its file taken away."""
    folder = tmp_path_factory.mktemp("world")
    plan = world_in(folder).plan()
    for method in plan.experiment.methods:
        keep_method(plan.home, method.method)
    compute(plan)
    (folder / "my_probe.py").unlink()
    return plan


def read(plan, split):
    (pair,) = plan.pairs
    return read_states(plan.home, pair.model.name, pair.dataset.name, split, pair.states[split].key)


def test_predictions_are_those_of_the_class(plan):
    fit = fit_of(plan, NAME, 4)
    table = fit.predictions.partition(Lake(plan.home)).table().to_pylist()
    stored = {row["id"]: row["predicted"] for row in table if row["split"] == SPLIT}
    training = fit.predictions.partition(Lake(plan.home)).file("training.parquet")
    import pyarrow.parquet as pq

    seen = pq.read_table(training, partitioning=None)["id"].to_pylist()
    ids, labels, states = read(plan, "train")
    rows = [ids.index(example) for example in seen]
    medians = np.stack([np.median(states[rows][labels[rows] == c], axis=0) for c in range(3)])
    ids, _, states = read(plan, SPLIT)
    nearest = np.linalg.norm(states[:, None].astype(np.float64) - medians, axis=2).argmin(axis=1)
    assert [stored[example] for example in ids] == nearest.tolist()
    assert fit.metrics.partition(Lake(plan.home)).published
    assert fit.method == "my_probe"


def test_a_champion_carries_the_file_and_answers_without_it(plan):
    fit = fit_of(plan, NAME, 4)
    _, _, states = read(plan, SPLIT)
    with packaged_classifier(plan.home, fit, {}, calibrator_file(plan.home, fit.predictions)) as folder:
        with safe_open(folder / "calibrator.safetensors", "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            described = json.loads(file.metadata()["estimator"])
        packed = from_arrays(arrays, described, folder / "method.py")
        assert (folder / "method.py").read_text() == PROBE
    kept = from_arrays(arrays, described, method_source(plan.home, fit.predictions.spec.method))
    assert packed.predict_proba(states).tobytes() == kept.predict_proba(states).tobytes()
    assert packed.order == "l2"


def test_the_file_is_part_of_the_key_and_its_folder_is_not(tmp_path):
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    first, second = world_in(tmp_path / "one").plan(), world_in(tmp_path / "two").plan()
    changed = world_in(tmp_path / "two", PROBE + "\n").plan()
    keys = [[fit.predictions.key for fit in plan.fits] for plan in (first, second, changed)]
    assert keys[0] == keys[1]
    assert keys[2][0] == keys[0][0], "zero_shot"
    assert keys[2][1] != keys[0][1]


def test_other_methods_are_not_kept(plan):
    keep_method(plan.home, "ridge")
    assert len(list(plan.home.methods.iterdir())) == 1
    zero_shot = fit_of(plan, "zero_shot", 0).predictions.spec.method
    assert (method_name(plan.home, zero_shot), method_source(plan.home, zero_shot)) == ("zero_shot", None)


def test_a_class_that_is_no_method_is_refused_with_the_card(tmp_path):
    with pytest.raises(CardError, match=r"experiment\.yaml.*my_probe:MyProbe: MyProbe does not define _fit"):
        world_in(tmp_path, PROBE.replace("def _fit", "def fit_")).plan()
