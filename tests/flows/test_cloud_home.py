"""A whole run with its home in Google's or Microsoft's store: the board of a local home, on any machine."""

import pytest

pytest.importorskip("obstore", reason="pip install 'vocabsem[gs]'")

from tests.clouds import KEY, STORES, TOKEN
from tests.conftest import vocabsem
from tests.flows.test_bucket_home import FEW, board
from tests.tasks.worlds import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world in which the run has a local home."""
    world = World(tmp_path_factory.mktemp("local"), experiment=FEW)
    done = vocabsem(world.home.root, "run", world.card, timeout=900)
    assert done.returncode == 0, done.stderr
    return world


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("scheme", STORES)
def test_every_command_works_as_with_a_local_home(world, scheme, monkeypatch, tmp_path):
    with STORES[scheme]() as (store, environment, address):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        home = f"{address}/whole"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
        store.refuse("PUT", "part-", 503, "ServerBusy", times=3)
        store.refuse("GET", "list", 503, "ServerBusy", times=1)
        done = vocabsem(home, "run", world.card, timeout=900)
        assert done.returncode == 0, done.stderr
        sql = "select model, method, shots, split, seed, id, probabilities from predictions order by all"
        for name in ("one", "two"):
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
            assert board(home) == board(world.home.root)
            ours, theirs = (vocabsem(at, "sql", sql, "--format", "csv") for at in (home, world.home.root))
            assert ours.returncode == 0, ours.stderr
            assert ours.stdout == theirs.stdout
            again = vocabsem(home, "run", world.card, timeout=900)
            assert again.returncode == 0, again.stderr
            assert "to compute" not in again.stderr.replace("to compute: known after fetching", "")
            for words in (["plan", world.card], ["warehouse", "verify"], ["gc", "--hours", "0"], ["doctor"]):
                done = vocabsem(home, *words)
                assert done.returncode == 0, (words, done.stdout, done.stderr)
                assert not any(secret in done.stdout + done.stderr for secret in (TOKEN, KEY))
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert not any(secret.encode() in file.read_bytes() for secret in (TOKEN, KEY)), file
        store.reset()
        store.refuse("GET", "list", 403, "AuthenticationFailed")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
        done = vocabsem(home, "run", world.card)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "credentials are wrong (list)" in line
        assert done.returncode == 2
        assert "states of" not in done.stderr
