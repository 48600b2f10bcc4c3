"""The names of runners, and what is refused before anything starts."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.planning.runner import RUNNERS, Runner, find_runner, host_and_port, local_workers, parse_runner
from flows.planning.variants import load_variant
from tests.flows.planning.test_experiment import GOOD
from tests.tasks.worlds import write_card
from vocabsem.errors import BadInput, CardError


@pytest.mark.parametrize(
    ("text", "runner"),
    [
        ("local", Runner("local")),
        ("process:3", Runner("process", workers=3)),
        ("dask", Runner("dask")),
        ("dask:2", Runner("dask", workers=2)),
        ("dask:tls://10.0.0.1:8786", Runner("dask", address="tls://10.0.0.1:8786")),
        ("ray:head:6379", Runner("ray", address="head:6379")),
        ("ray:ray://[::1]:10001", Runner("ray", address="ray://[::1]:10001")),
    ],
)
def test_a_runner_has_workers_here_or_the_address_of_a_cluster(text, runner):
    assert parse_runner(text) == runner


@pytest.mark.parametrize(
    "text", ["dsk", "dask:", "dask:0", "dask:tcp://", "dask:tcp://[]:1", "ray:head", "dask:host:99999", "dask:²"]
)
@pytest.mark.parametrize("form", ["{}", " {}"])
def test_what_is_no_runner_is_refused_with_the_form(text, form):
    with pytest.raises(BadInput, match=r"runner .*write NAME, NAME:WORKERS or"):
        parse_runner(form.format(text))


@pytest.mark.parametrize("text", ["local:2", "process:tcp://127.0.0.1:1"])
def test_threads_have_no_workers_and_processes_no_address(text):
    with pytest.raises(BadInput, match="neither workers nor the address"):
        parse_runner(text)


def test_a_misspelt_runner_is_answered_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean 'dask'"):
        parse_runner("dsak:2")


def test_option_and_card_come_before_the_variable(monkeypatch):
    assert find_runner(None) == Runner("local")
    monkeypatch.setenv("VOCABSEM_RUNNER", "process:4")
    assert find_runner(None) == Runner("process", workers=4)
    assert find_runner("local") == Runner("local")


@pytest.mark.parametrize(
    ("address", "there"),
    [("tcp://10.0.0.1:8786", ("10.0.0.1", 8786)), ("head:6379", ("head", 6379)), ("ray://[::1]:1", ("::1", 1))],
)
def test_an_address_has_host_and_port(address, there):
    assert host_and_port(address) == there


def test_workers_of_this_machine_divide_its_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert local_workers(Runner("process")) == (2, 6)
    assert local_workers(Runner("process"), default=4) == (4, 3)
    assert local_workers(Runner("dask", workers=5), default=4) == (5, 2)
    assert local_workers(Runner("ray", workers=99)) == (99, 1)
    for limit, threads in (("4", 2), (" 4,2", 2), ("1", 1), ("", 6), ("many", 6), ("0", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
        assert local_workers(Runner("process")) == (2, threads), limit


def test_the_runner_of_a_card_is_checked_and_changes_neither_its_name_nor_its_record(tmp_path):
    card = str(write_card(tmp_path / "one.yaml", GOOD | {"runner": "dask:2"}))
    experiment = load_variant(card, {"runner": "process"})
    assert (experiment.name, experiment.runner) == ("one", "process")
    assert "runner" not in experiment.model_dump()
    with pytest.raises(CardError, match=r"runner: runner ''"):
        load_variant(card, {"runner": ""})
    with pytest.raises(CardError, match=r"runner: runner 'dsak'.*did you mean 'dask'"):
        load_variant(card, {"runner": "dsak"})


HOST = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{1,9}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
)


@given(
    name=st.sampled_from(["dask", "ray"]),
    scheme=st.sampled_from(["", "tcp://", "tls://", "ray://"]),
    host=HOST,
    port=st.integers(1, 65535),
)
def test_an_address_is_kept_as_it_is_and_taken_apart_into_host_and_port(name, scheme, host, port):
    runner = parse_runner(f"{name}:{scheme}{host}:{port}")
    assert runner == Runner(name, address=f"{scheme}{host}:{port}")
    assert host_and_port(runner.address) == (host.strip("[]"), port)


@given(name=st.sampled_from(["process", "dask", "ray"]), workers=st.integers(1, 10_000))
def test_a_number_is_of_workers(name, workers):
    assert parse_runner(f"{name}:{workers}") == Runner(name, workers=workers)


@given(
    st.one_of(st.text(), st.sampled_from(RUNNERS).flatmap(lambda name: st.text().map(lambda rest: f"{name}:{rest}")))
)
def test_any_text_is_a_runner_or_one_error_that_names_it(text):
    runner, message = None, ""
    try:
        runner = parse_runner(text)
    except BadInput as error:
        message = str(error)
    if runner is None:
        assert message.startswith(f"runner {text!r}"[:100])
        assert len(message.splitlines()) == 1
    else:
        assert runner.name in RUNNERS
        assert text == runner.name or (runner.workers or 0) > 0 or host_and_port(runner.address)[1] > 0
