"""Cards with quantization: keys of their own, what is left out, and what is refused before anything is computed."""

from importlib.util import find_spec

import numpy as np
import pytest
import yaml

from flows.execution.workers import started
from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from tests.tasks.worlds import World, compute, model, write_card
from vocabsem.errors import BadInput, CardError
from warehouse.lake.vectors import matrix

needs_torchao = pytest.mark.skipif(not find_spec("torchao"), reason="pip install 'vocabsem[torchao]'")


def made(folder, quantization=None, **experiment):
    world = World(folder, experiment=experiment)
    content = model().model_dump(mode="json") | ({"quantization": quantization} if quantization else {})
    write_card(world.folder / "model.yaml", content)
    return world


def test_keys_of_what_a_model_computes_differ_and_those_of_the_data_do_not(tmp_path):
    plans = []
    for kind in (None, "torchao-int8"):
        (tmp_path / str(kind)).mkdir()
        world = made(tmp_path / str(kind), kind)
        plans.append(world.plan().pairs[0])
    assert len({pair.anchors.key for pair in plans}) == 2
    assert len({pair.states["test"].key for pair in plans}) == 2
    assert len({pair.fits[0].predictions.key for pair in plans}) == 2
    assert {pair.states["test"].spec.template for pair in plans} == {plans[0].states["test"].spec.template}


def test_adapters_are_left_out_with_the_reason(tmp_path):
    plan = made(tmp_path, "torchao-int8", methods=["zero_shot", {"method": "lora"}]).plan
    with pytest.raises(CardError, match=r"serves none of its models \(.*\): it trains in weights as they are"):
        plan()


def test_adapters_serve_the_models_that_are_not_quantized(tmp_path):
    world = made(tmp_path, methods=["zero_shot", "lora"], shots=[4])
    other = yaml.safe_load((tmp_path / "model.yaml").read_text()) | {"name": "smaller", "quantization": "torchao-int8"}
    write_card(tmp_path / "smaller.yaml", other)
    models = [str(tmp_path / name) for name in ("model.yaml", "smaller.yaml")]
    plan = world.plan(models=models, shots=[0, 4])
    assert [(what, name) for what, name, _ in plan.left_out] == [("smaller", "lora")]


def test_a_study_of_weights_is_refused(tmp_path):
    world = made(tmp_path, "torchao-int8")
    with pytest.raises(CardError, match=r"study 'made' reads weights as they are in the checkpoint"):
        make_study_plan(load_study(world.write_study("grid")), world.home)


@pytest.mark.skipif(bool(find_spec("bitsandbytes")), reason="bitsandbytes is installed")
def test_a_run_is_refused_before_its_first_step_where_the_package_is_missing(tmp_path):
    plan = made(tmp_path, "bitsandbytes-int4").plan()
    with pytest.raises(BadInput, match=r"bitsandbytes is not installed: .*vocabsem\[bitsandbytes\]"), started(plan):
        pass
    assert not plan.home.lake.exists()


@pytest.mark.medium
@needs_torchao
def test_a_plan_of_a_quantized_model_is_computed(tmp_path):
    world = made(tmp_path, "torchao-int8", methods=["zero_shot", "centroid"], shots=[0, 4], champion=False)
    plan = world.plan()
    compute(plan)
    (tmp_path / "whole").mkdir()
    whole = made(tmp_path / "whole", methods=["zero_shot", "centroid"], shots=[0, 4], champion=False).plan()
    compute(whole)
    one, other = (each.pairs[0].anchors.partition(each.lake).table(["anchor"]) for each in (plan, whole))
    assert one.equals(other), "the head is not quantized"
    rounded, exact = (
        matrix(each.pairs[0].states["test"].partition(each.lake).table()[f"layer_{model().layers}"]).astype(float)
        for each in (plan, whole)
    )
    assert not (rounded == exact).all()
    # a few layers of weights that are within half a 127th of the largest of their row
    assert np.linalg.norm(rounded - exact) < 0.1 * np.linalg.norm(exact)
