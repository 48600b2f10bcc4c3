"""Leases as objects: one holder at a time, taken over from the dead, seen by the store's clock."""

import json
import os
import platform
import threading
import time

import pytest

from warehouse.errors import StoreUnavailable, WriterBusy
from warehouse.lake import object_lease
from warehouse.lake.bucket import Content, open_bucket
from warehouse.lake.lease import lease
from warehouse.lake.store import store_of
from warehouse.process import this_process

pytestmark = pytest.mark.medium


@pytest.fixture
def bucket(machine):
    return open_bucket(machine().url)


def test_one_of_many_holds_it_at_a_time(machine):
    homes, holding, most = [machine(str(number)) for number in range(4)], [], []

    def work(home):
        for _ in range(3):
            with lease(home.root / "work", by=store_of(home).leases):
                holding.append(home)
                most.append(len(holding))
                time.sleep(0.01)
                holding.remove(home)

    threads = [threading.Thread(target=work, args=(home,)) for home in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 12
    assert list(open_bucket(homes[0].url).list("")) == []  # every one is given back


def test_who_holds_it_is_named_to_who_waits(machine):
    one, two = machine("one"), machine("two")
    with lease(one.root / "work", by=store_of(one).leases):
        owner = f"pid {os.getpid()} on {platform.node()}"
        with (
            pytest.raises(WriterBusy, match=f"is held by {owner}: waited 0.1 s"),
            lease(two.root / "work", timeout=0.1, by=store_of(two).leases),
        ):
            pass


@pytest.mark.parametrize(
    ("process", "age", "gone"),
    [
        ("{this}", 1, False),
        ("{this}", object_lease.SECONDS + 1, True),  # silent
        ("another-host 7 0.00", 1, False),
        ("another-host 7 0.00", object_lease.SECONDS + 1, True),
        ("{host} 4000000 0.00", 1, True),  # no process has this number
        ("{name} 4000000 0.00", 1, False),  # a host of the same name: another machine, or a container of this one
        ("{name}@0123456789ab 4000000 0.00", 1, False),
        ("nonsense", 1, False),
    ],
)
def test_a_lease_is_abandoned_when_its_owner_ended_or_is_silent(process, age, gone):
    owner = process.format(this=this_process(), host=this_process().split()[0], name=platform.node())
    assert object_lease.is_abandoned(Content(json.dumps({"process": owner}).encode(), '"0"', age)) is gone


def test_an_abandoned_lease_is_taken_over_by_one(bucket):
    dead = json.dumps({"process": f"{this_process().split()[0]} 4000000 0.00"}).encode()
    bucket.put("work", dead)
    began, taken = threading.Barrier(3), []

    def take():
        began.wait()
        try:
            with object_lease.acquired(bucket, "work", 0):
                taken.append(1)
                time.sleep(0.5)
        except object_lease.Timeout:
            pass

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [1]


def test_it_is_written_again_while_it_is_held_and_never_taken_from_another(bucket, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT", 0.05)
    with object_lease.acquired(bucket, "work", 0):
        seen = {bucket.get("work").data}
        time.sleep(0.3)
        seen.add(bucket.get("work").data)
        assert len(seen) == 1
        other = bucket.put("work", b"of another")  # who took it over, since this process was asleep
        time.sleep(0.2)
    assert bucket.etag("work") == other


def test_a_lease_whose_answer_was_lost_is_ours(bucket):
    put, answers = bucket.put, []
    bucket.put = lambda *given, **conditions: (
        answers.append(put(*given, **conditions)) or (None if len(answers) == 1 else answers[-1])
    )
    with object_lease.acquired(bucket, "work", 0):
        assert bucket.get("work") is not None
    assert bucket.get("work") is None


def test_a_store_that_ignores_conditions_is_refused(bucket, s3):
    object_lease._conditional.discard(bucket.url)
    s3.drop = ("if-none-match",)
    try:
        with (
            pytest.raises(StoreUnavailable, match="its store ignores the condition If-None-Match"),
            object_lease.acquired(bucket, "work", 0),
        ):
            pass
    finally:
        s3.drop = ()
    assert bucket.get("work") is None
