"""Dictionaries of a study as folders: those of its own key, and one clear error where there are none."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from flows.cli.studies_view import export_dictionaries, require_dictionaries
from tasks.steps.facts import StudyFacts
from tasks.steps.step import Step
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from vocabsem.errors import BadInput
from vocabsem.instruments.registry import study_infos
from vocabsem.instruments.sae_layout import sae_file
from vocabsem.instruments.sparse_autoencoder import Autoencoder
from warehouse.home import Home
from warehouse.lake.partition import Lake

WHERE = {"study": "dictionary", "card": "mine", "model": "tiny"}
FIXED = {"states": {}, "words": {}, "word_tokens": {}, "hashes": {}, "templates": {}, "params": {}}


def published(home, seed, size, names=("topk-layer-3",)):
    """The key of the figures of a study whose dictionaries have weights of one size."""
    lake, numbers = Lake(home), {"layers": (3,), "max_tokens": 8, "seed": seed, "resamples": 100, "null_draws": 20}
    made = {"digest": "a" * 64, "anchors": "b" * 64, "pooling": "last", "dtype": "float32", "revision": 1}
    items = Step(StudyItemsSpec(**WHERE, **FIXED, **numbers, **made))
    weights = [np.full(shape, size, np.float32) for shape in ((2, 5), (5,), (5, 2), (2,))]
    content = sae_file(Autoencoder("topk", *weights, 1), "tiny", 3)
    partition = items.partition(lake)
    files = [partition.write_table("part-0.parquet", pa.table({"item": ["made"]}))]
    files += [partition.write_bytes(f"{name}.safetensors", content) for name in names]
    items.publish(lake, files, StudyFacts(seconds=0))
    values = Step(StudyValuesSpec(**WHERE, study_items=items.key))
    values.publish(lake, pa.table({"value": [0.5]}), StudyFacts(seconds=0))
    return values.key


def test_each_dictionary_is_a_folder_of_its_name_with_the_weights_of_its_own_study(tmp_path):
    home = Home(tmp_path / "home")
    published(home, 0, 1.0)
    key = published(home, 1, 2.0, ("topk-layer-3", "topk-layer-9"))
    export_dictionaries(home, key, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["topk-layer-3", "topk-layer-9"]
    for folder in (tmp_path / "out").iterdir():
        assert (load_file(folder / "sae_weights.safetensors")["W_dec"] == 2).all()
        assert json.loads((folder / "cfg.json").read_text())["d_in"] == 2


def test_a_second_export_replaces_the_first(tmp_path):
    home = Home(tmp_path / "home")
    for key in (published(home, 0, 1.0), published(home, 1, 2.0)):
        export_dictionaries(home, key, tmp_path / "out")
    weights = load_file(tmp_path / "out" / "topk-layer-3" / "sae_weights.safetensors")
    assert (weights["W_dec"] == 2).all()


@pytest.mark.parametrize("name", study_infos())
def test_only_studies_that_train_dictionaries_export_them(name):
    card = SimpleNamespace(study=name)
    if name == "dictionary":
        require_dictionaries(card)
    else:
        with pytest.raises(BadInput, match=f"study '{name}' trains no dictionaries to export: name dictionary"):
            require_dictionaries(card)
