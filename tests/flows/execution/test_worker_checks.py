"""A cluster that cannot compute our tasks is refused in one line, with the fix."""

import socket
from pathlib import Path

import pytest

from flows.execution.worker_checks import engine_errors, require_answer, require_same, shared_file
from vocabsem.errors import BadInput
from vocabsem.worker import facts
from warehouse.home import Home


def test_an_address_that_does_not_answer():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"no Dask scheduler answers at {address} .*refused.*: start one"):
            require_answer("Dask scheduler", address, "start one")
        taken.listen()
        require_answer("Dask scheduler", address, "start one")


@pytest.mark.parametrize("host", ["nowhere.invalid", "tcp://a..b", "a" * 70])
def test_a_name_that_is_no_host(host):
    with pytest.raises(BadInput, match=rf"^no head of Ray answers at {host}:1 \(.+\): start one$"):
        require_answer("head of Ray", f"{host}:1", "start one")


@pytest.mark.parametrize(
    ("differs", "message"),
    [
        ({"Python": "3.9"}, r"worker one has Python 3\.9, this command 3\.\d+: start it with the same version"),
        ({"vocabsem": "0" * 12}, r"worker one has vocabsem 000000000000, this command \w{12}: install the same"),
        ({"torch": "1.0"}, r"worker one has torch 1\.0, this command 2.*: install torch 2"),
        ({"home": ""}, "worker one does not see the home .*: mount it there under the same path"),
    ],
    ids=str,
)
def test_a_worker_that_differs(tmp_path, differs, message):
    with shared_file(Home(tmp_path / "home")) as file:
        same = facts(file)
        require_same("one", same, file)
        with pytest.raises(BadInput, match=message):
            require_same("one", same | differs, file)


def test_the_shared_file_is_of_this_check_alone_and_goes(tmp_path):
    home = Home(tmp_path / "home")
    with shared_file(home) as one, shared_file(home) as other:
        assert Path(one).read_text() != Path(other).read_text()
        assert Path(one).parent == home.root
    assert not list(home.root.iterdir())


def test_whatever_an_engine_raises_is_one_line():
    with pytest.raises(BadInput, match=r"^Dask at tcp://a:1 cannot be used: OSError: second line$"):  # noqa: SIM117
        with engine_errors("Dask", "tcp://a:1"):
            raise OSError("first line\nsecond line\n")
    with pytest.raises(BadInput, match=r"^other$"), engine_errors("Dask", None):
        raise BadInput("other")
