"""Methods of others: found by entry point or beside a card, checked, stored without pickle."""

import json
import sys

import numpy as np
import pytest

from tests.vocabsem.method_data import PROBE, make_space, make_states
from vocabsem.errors import CardError, DataError
from vocabsem.methods import build_method, load_method, method_info
from vocabsem.methods.extensions import requirement, resolve
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.registry import check_params


def write(folder, text=PROBE, name="my_probe.py"):
    (folder / name).write_text(text)
    return f"{folder / name}:MyProbe"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed distribution that offers methods: a module and its metadata on the path."""

    def install(text=PROBE, points="my_probe = their_probes:MyProbe"):
        (tmp_path / "their_probes.py").write_text(text)
        info = tmp_path / "their_probes-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-probes\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[vocabsem.methods]\n{points}\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("their_probes", None)


def assert_fits_and_is_stored(name, source=None):
    states, labels = make_states()
    estimator = build_method(name, {"order": "l2"}, make_space(), random_state=4).fit(states, labels)
    medians = np.stack([np.median(states[labels == c], axis=0) for c in range(3)])
    nearest = np.linalg.norm(states[:, None] - medians, axis=2).argmin(axis=1)
    assert estimator.predict(states).tolist() == nearest.tolist()
    assert estimator.random_state == 4
    arrays, metadata = to_arrays(estimator)
    again = from_arrays(arrays, json.loads(json.dumps(metadata)), source)
    assert type(again) is type(estimator)
    assert again.predict_proba(states).tobytes() == estimator.predict_proba(states).tobytes()


def test_a_file_beside_the_card(tmp_path):
    name = write(tmp_path)
    info = method_info(name)
    assert (info.name, info.revision, info.target) == ("my_probe", 3, "my_probe:MyProbe")
    assert dict(info.params) == {"order": "l1", "powers": (1.0, 2.0)}
    assert load_method(name) is load_method(f"{tmp_path / 'my_probe.py'}:my_probe"), "by its class or by its name"
    assert_fits_and_is_stored(name, tmp_path / "my_probe.py")
    check_params(name, {"powers": [3, 0.5]})
    with pytest.raises(CardError, match="unknown parameter 'ordre' of method my_probe: did you mean 'order'"):
        check_params(name, {"ordre": "l1"})
    states, labels = make_states()
    stored = to_arrays(load_method(name)(make_space()).fit(states, labels))
    with pytest.raises(DataError, match=r"cannot be read: .*my_probe"):
        from_arrays(*stored)


def test_a_changed_file_is_another_method(tmp_path):
    before = method_info(write(tmp_path))
    after = method_info(write(tmp_path, PROBE.replace('order="l1"', 'order="l2"')))
    assert before.sha256 != after.sha256
    assert after.params["order"] == "l2"
    assert method_info(write(tmp_path)) == before


def test_names_in_a_card_are_beside_it(tmp_path):
    assert resolve("my_probe:MyProbe", tmp_path) == f"{tmp_path / 'my_probe.py'}:MyProbe"
    assert resolve("sub/my_probe.py:MyProbe", tmp_path) == f"{tmp_path / 'sub' / 'my_probe.py'}:MyProbe"
    assert resolve(f"{tmp_path}/a.py:B", None) == resolve(f"{tmp_path}/a.py:B", tmp_path) == f"{tmp_path}/a.py:B"
    assert resolve("linear_probe", tmp_path) == "linear_probe"


def test_an_entry_point_of_an_installed_package(package):
    assert requirement("my_probe") is None
    with pytest.raises(CardError, match="unknown method 'my_probe'"):
        method_info("my_probe")
    package()
    assert method_info("my_probe").target == "their_probes:MyProbe"
    assert requirement("my_probe") == "their-probes==1.2"
    assert_fits_and_is_stored("my_probe")


@pytest.mark.parametrize(
    ("text", "points", "message"),
    [
        (PROBE, "other = their_probes:MyProbe", "'other': their_probes:MyProbe is named 'my_probe': give the entry"),
        (PROBE, "other = their_probes:Missing", "'other': cannot import their_probes:Missing: AttributeError"),
        ("raise OSError('no')", "other = their_probes:MyProbe", "cannot import their_probes:MyProbe: OSError"),
        ("import numpy", "other = their_probes:numpy", r"other \(their_probes:numpy\) is no method: derive"),
    ],
)
def test_a_package_that_offers_something_else_is_refused(package, text, points, message):
    package(text, points)
    with pytest.raises(CardError, match=message):
        method_info("other")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("import numpy as np", "import nunpy", "cannot be run: ModuleNotFoundError.*: fix the file"),
        ("class MyProbe", "class Probe", "has no class 'MyProbe': there are Probe"),
        ("(Method)", "", "is no method: derive its class from vocabsem.methods.Method"),
        ('name = "my_probe"', "", "MyProbe has no attribute 'name': give it a name"),
        ('"my_probe"', '"My probe"', "its name is 'My probe': use small letters"),
        ('"my_probe"', '"ridge"', "its name is 'ridge', as that of a method here: give it another"),
        ("space=None, *, ", "", "its constructor does not begin with 'space'"),
        ('order="l1"', "order=None", "parameter order has the default None: give a bool, int"),
        ('order="l1", powers', "order, powers", "parameter order has the default .*: give a bool, int"),
        (
            "takes_random_state = True",
            "",
            "takes_random_state is False, unlike its constructor: give the class",
        ),
        ("takes_random_state = True", "takes_random_state = takes_layers = True", "takes_layers is True, unlike"),
        ("def _fit(", "def fit_(", "MyProbe does not define _fit"),
        ("def _logits(", "def logits(", "MyProbe does not define _logits"),
    ],
)
def test_a_class_that_is_no_method_is_refused_with_its_file_and_the_fix(tmp_path, old, new, message):
    assert old in PROBE
    name = write(tmp_path, PROBE.replace(old, new))
    with pytest.raises(CardError, match=rf"my_probe(\.py)?.*{message}"):
        method_info(name)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CardError, match=r"cannot read .*none.py: No such file or directory: put the file beside"):
        method_info(f"{tmp_path}/none.py:MyProbe")
