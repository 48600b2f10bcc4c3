"""States, anchors and predictions in the formats of other libraries, against the lake they come from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_from_disk

from tasks.views.array_files import write_arrays
from tests.warehouse.lakes import SPLITS, TOKENS, anchor, fill, state, text_of
from vocabsem.errors import BadInput
from warehouse.catalog import reads
from warehouse.catalog.catalog import rebuild
from warehouse.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("exported") / "home")
    fill(home)
    rebuild(home)
    return home


@pytest.mark.parametrize("layer", [1, 2, None])
def test_states_are_those_of_the_lake_with_their_classes_and_texts(home, tmp_path, layer):
    table = reads.exported_states(home, "tiny", "mr", None, layer, None)
    written = write_arrays(table, tmp_path / "states.npz")
    with np.load(tmp_path / "states.npz", allow_pickle=False) as arrays:
        expected = np.concatenate([state("tiny", "mr", split, layer or 2) for split in sorted(SPLITS)])
        np.testing.assert_array_equal(arrays["state"], expected)
        assert arrays["state"].dtype == np.float32
        ids = [f"{split}-{i}" for split in sorted(SPLITS) for i in range(SPLITS[split])]
        assert arrays["id"].tolist() == ids
        assert set(arrays["label"].tolist()) == {0, 1}
        assert written == list(arrays) == [name for name in table.column_names if name != "text"]
    assert table["text"].to_pylist() == [text_of("mr", name) for name in ids]


def test_one_split_of_states(home):
    table = reads.exported_states(home, "tiny", "mr", "test", 1, "last")
    np.testing.assert_array_equal(np.array(table["state"].to_pylist(), np.float32), state("tiny", "mr", "test", 1))


def test_anchors_are_those_of_the_lake(home, tmp_path):
    table = reads.exported_anchors(home, "tiny")
    write_arrays(table, tmp_path / "anchors.parquet")
    assert pq.read_table(tmp_path / "anchors.parquet") == table
    write_arrays(table, tmp_path / "anchors.npz")
    with np.load(tmp_path / "anchors.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["anchor"], anchor("tiny"))
        assert arrays["token"].tolist() == TOKENS


def test_predictions_are_those_of_the_latest_run(home, tmp_path):
    table = reads.exported_predictions(home, "quickstart", "tiny", "mr", "linear_probe", "4", "test")
    assert len(table) == 2 * SPLITS["test"]
    everything = reads.exported_predictions(home, "quickstart", None, None, None, None, None)
    assert len(everything) == 2 * 2 * 4 * 2 * (SPLITS["test"] + SPLITS["validation"])
    write_arrays(table, tmp_path / "predictions")
    loaded = load_from_disk(str(tmp_path / "predictions"))
    assert loaded.column_names == table.column_names
    assert list(loaded["probabilities"]) == table["probabilities"].to_pylist()
    with pytest.raises(BadInput, match="is there already"):
        write_arrays(table, tmp_path / "predictions")


def test_what_is_no_array_or_no_format(tmp_path):
    ragged = pa.table({"probabilities": pa.array([[1.0], [0.5, 0.5]], pa.list_(pa.float32()))})
    with pytest.raises(BadInput, match="rows of 1, 2 values"):
        write_arrays(ragged, tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput, match=r"\.npz or \.parquet"):
        write_arrays(ragged, tmp_path / "x.csv")
