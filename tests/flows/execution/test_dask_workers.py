"""What is claimed of a Dask cluster, and how one of this machine is made, without starting any."""

import platform

import pytest

from flows.planning.runner import Runner
from vocabsem.errors import BadInput
from warehouse.home import Home

dask = pytest.importorskip("dask")
pytest.importorskip("prefect_dask", reason="pip install 'vocabsem[dask]'")

from flows.execution import dask_workers  # noqa: E402  # needs the engine

BOTH, NONE = {"resources": {"GPU": 1, "MEMORY": 8e9}}, {"resources": {}}


@pytest.mark.parametrize(
    ("wanted", "known", "claimed"),
    [
        ((1, 7), [BOTH, NONE], {"GPU": 1, "MEMORY": 7}),
        ((0, 7), [NONE, BOTH], {"MEMORY": 7}),
        ((1, 0), [{"resources": {"GPU": 2}}], {"GPU": 1}),
        ((1, 7), [{"resources": {"GPU": 2}}], {"GPU": 1}),
        ((0, 0), [BOTH], None),
        ((1, 7), [NONE, NONE], None),
    ],
)
def test_only_what_some_worker_declares_is_claimed(wanted, known, claimed):
    with dask_workers._claim(dict(zip(("GPU", "MEMORY"), wanted, strict=True)), known):
        assert dask.get_annotations().get("resources") == claimed
    assert "resources" not in dask.get_annotations()


def test_a_cluster_of_this_machine_is_of_this_process_alone_and_divides_its_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    options = dask_workers._on_this_machine(Runner("dask", workers=4))
    assert (options["n_workers"], options["threads_per_worker"], options["processes"]) == (4, 1, True)
    assert options["security"] is True, "keys of its own"
    assert options["dashboard_address"] is None
    assert set(options["env"].values()) == {"2"}


class Client:
    """A cluster of two workers, of which the second has what it is given."""

    def __init__(self, python="", facts=None):
        self.python, self.facts, self.calls, self.plugins = python, facts or {}, [], []

    def wait_for_workers(self, count, timeout):
        self.calls.append("workers")

    def get_versions(self):
        version = {"host": {"python": self.python}}
        return {"workers": {"tcp://second": version}}

    def run(self, function, file):
        self.calls.append("facts")
        return {"tcp://first": function(file), "tcp://second": function(file) | self.facts}

    def register_plugin(self, plugin):
        self.plugins.append(plugin)


def test_every_worker_is_checked_before_any_is_prepared(tmp_path, monkeypatch):
    home, python = Home(tmp_path / "home"), platform.python_version()
    for client, differs in (
        (Client("3.1.4"), "Python 3.1, this command"),
        (Client(python, {"numpy": "1.0"}), "numpy 1.0, this command"),
    ):
        with pytest.raises(BadInput, match=f"worker tcp://second has {differs}"):
            dask_workers._prepare(client, home, check=True)
        assert not client.plugins
    client = Client(python)
    dask_workers._prepare(client, home, check=True)
    assert client.calls == ["workers", "facts"]
    (plugin,) = client.plugins
    prepared = []
    monkeypatch.setattr(dask_workers, "prepare", prepared.append)
    plugin.setup(object())
    assert prepared == [str(home.root)]
