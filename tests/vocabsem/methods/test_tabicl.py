"""TabICL with random weights of its own architecture, against the package itself, and what is refused without them."""

import numpy as np
import pytest
import torch

from tests.vocabsem.method_data import D, make_space, make_states
from tests.vocabsem.methods import test_memory
from vocabsem.errors import BadInput, DataError
from vocabsem.methods import TabICL
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.registry import method_info
from vocabsem.sources.digests import sha256_of

TINY = {
    "max_classes": 10,
    "embed_dim": 8,
    "col_num_blocks": 1,
    "col_nhead": 2,
    "col_num_inds": 4,
    "row_num_blocks": 1,
    "row_nhead": 2,
    "row_num_cls": 2,
    "icl_num_blocks": 1,
    "icl_nhead": 2,
    "zero_init": False,  # of what is added to the residual stream, where training begins
}
ROUNDING = 1e-4  # of float32 columns, as power transforms and the network enlarge it
pytestmark = pytest.mark.filterwarnings("ignore")  # of another package


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The settings that name a checkpoint with random weights."""
    pytest.importorskip("tabicl", reason="pip install 'vocabsem[tabicl]'")
    from tabicl._model.tabicl import TabICL as Network

    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = {name: 1.5 * value for name, value in Network(**TINY).state_dict().items()}  # else rows hardly differ
    path = tmp_path_factory.mktemp("tabicl") / "tiny.ckpt"
    torch.save({"config": TINY, "state_dict": weights}, path)
    return {"checkpoint": str(path), "sha256": sha256_of(path)}


def fitted(checkpoint, states, labels, **params):
    return TabICL(make_space(d=states.shape[1]), n_estimators=4, **checkpoint | params).fit(states, labels)


def test_probabilities_are_those_of_the_package_on_principal_components(checkpoint):
    from tabicl import TabICLClassifier

    (states, labels), queries = make_states(), make_states(1, n=40)[0]
    result = fitted(checkpoint, states, labels, n_components=5, random_state=3)
    mean, deviation = states.mean(0, np.float64), states.std(0, dtype=np.float64)
    z, others = ((rows - mean) / deviation / D**0.5 for rows in (states, queries))
    axes = np.linalg.svd(z)[2][:5].T
    axes *= np.sign(axes[np.abs(axes).argmax(0), range(5)])
    np.testing.assert_allclose(result.rows_, z @ axes, atol=1e-5)
    rival = TabICLClassifier(n_estimators=4, model_path=checkpoint["checkpoint"], device="cpu", random_state=3)
    expected = rival.fit(z @ axes, labels).predict_proba(others @ axes)
    probabilities = result.predict_proba(queries)
    np.testing.assert_allclose(probabilities, expected, atol=ROUNDING)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)
    assert probabilities.std(axis=0).min() > 100 * ROUNDING, "each row has its own"


def test_each_row_by_itself_and_labels_in_any_order(checkpoint, monkeypatch):
    (states, labels), queries = make_states(), make_states(1, n=40)[0]
    first = fitted(checkpoint, states, labels).predict_proba(queries)
    assert fitted(checkpoint, states, labels).predict_proba(queries).tobytes() == first.tobytes()
    order = np.random.default_rng(0).permutation(len(labels))
    np.testing.assert_allclose(
        fitted(checkpoint, states[order], labels[order]).predict_proba(queries), first, atol=ROUNDING
    )
    monkeypatch.setattr("vocabsem.methods.tabicl.ROWS", 7)
    np.testing.assert_allclose(fitted(checkpoint, states, labels).predict_proba(queries), first, atol=1e-5)


def test_many_classes_absent_ones_few_rows_and_wide_states(checkpoint):
    states, labels = make_states(n=48, classes=12, d=200, absent=[1])
    result = TabICL(make_space(classes=12, d=200), n_estimators=2, max_rows=30, **checkpoint).fit(states, labels)
    assert result.rows_.shape == (30, 30)
    assert set(result.labels_) == set(labels)
    probabilities = result.predict_proba(states)
    assert probabilities.shape == (48, 12)
    assert probabilities[:, 1].max() < 1e-30
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)


def test_the_global_generators_and_the_threads_are_left_alone(checkpoint):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    fitted(checkpoint, *make_states()).predict_proba(make_states(1)[0])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.get_num_threads() == before[2]


def test_stored_and_read_to_the_bit(checkpoint):
    estimator, states = fitted(checkpoint, *make_states()), make_states(1)[0]
    again = from_arrays(*to_arrays(estimator))
    assert again.predict_proba(states).tobytes() == estimator.predict_proba(states).tobytes()


def test_a_fit_holds_no_more_than_it_states(checkpoint, monkeypatch):
    monkeypatch.setitem(test_memory.QUICK, "tabicl", checkpoint | {"max_rows": test_memory.ROWS})
    for labeled in (test_memory.ROWS, test_memory.FEW):
        stated = method_info("tabicl").fit_bytes(labeled, test_memory.ROWS, 64, 3)
        held = test_memory.peak("tabicl", labeled, test_memory.ROWS, 64, 3)
        assert held <= stated + 12 * 64**2 * 8 + 2_000_000  # the checkpoint is read and hashed


def test_another_file_is_refused(checkpoint, tmp_path):
    with pytest.raises(DataError, match=r"no file '.*/none\.ckpt', which checkpoint names"):
        TabICL(checkpoint=str(tmp_path / "none.ckpt")).require()
    for given in ("", "0" * 64):
        with pytest.raises(DataError, match=f"has the sha256 {checkpoint['sha256']}, and the card says '{given}'"):
            TabICL(**checkpoint | {"sha256": given}).require()
    for name, content in (("bytes", b"no checkpoint"), ("empty", b"")):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(DataError, match="is no checkpoint of tabicl"):
            TabICL(checkpoint=str(file), sha256=sha256_of(file)).require()
    torch.save({"config": {}}, file)
    with pytest.raises(DataError, match="is no checkpoint of tabicl"):
        TabICL(checkpoint=str(file), sha256=sha256_of(file)).require()


def test_without_the_hub_one_line_names_weights_place_and_fix(tmp_path, monkeypatch):
    monkeypatch.setattr("vocabsem.methods.tabicl.find_spec", lambda _: True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError) as raised:
        TabICL().fit(*make_states())
    (line,) = str(raised.value).splitlines()
    assert all(part in line for part in (method_info("tabicl").params["checkpoint"], str(tmp_path), "checkpoint"))
    assert raised.value.exit_code == 2


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setattr("vocabsem.methods.tabicl.find_spec", lambda _: None)
    with pytest.raises(BadInput, match=r"needs the package tabicl: pip install 'vocabsem\[tabicl\]'"):
        TabICL().require()
