import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.warehouse.lake.test_keys import JSON, TEXT
from warehouse.errors import CorruptPartition, InvalidName
from warehouse.lake.keys import partition_key
from warehouse.lake.manifest import FileEntry, Manifest

SHA = "ab" * 32
PAYLOADS = st.dictionaries(TEXT, JSON, max_size=4)


def make(payload=None, **changes):
    payload = payload or {"step": "states"}
    fields = {
        "format": 1,
        "kind": "states",
        "key": partition_key(payload),
        "coordinates": {"model": "tiny", "dataset": "mr"},
        "files": [FileEntry("part-0.parquet", 3, 100, SHA, SHA), FileEntry("a.safetensors", None, 7, SHA)],
        "rows": 3,
        "inputs": {"examples": SHA},
        "payload": payload,
        "facts": {"layers": [1]},
        "checks": [{"name": "finite", "passed": True, "detail": ""}],
        "versions": {"python": "3.11"},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Manifest(**(fields | changes))


@given(PAYLOADS, st.dictionaries(TEXT, JSON, max_size=4))
def test_a_manifest_reads_back_equal(payload, facts):
    manifest = make(payload, facts=facts)
    assert Manifest.from_json(manifest.to_json(), "here") == manifest


def test_coordinates_keep_their_order():
    manifest = make(coordinates={"z": "1", "a": "2"})
    assert list(Manifest.from_json(manifest.to_json(), "here").coordinates) == ["z", "a"]


def test_rows_count_parts_only():
    assert FileEntry("part-00000000-00000003.parquet", 3, 1, SHA, SHA).is_part
    assert not FileEntry("training.parquet", 3, 1, SHA, SHA).is_part
    assert not FileEntry("part-0.safetensors", None, 1, SHA).is_part


def test_facts_that_json_cannot_say_are_refused_when_written():
    with pytest.raises(InvalidName, match=r"facts\.residual is nan"):
        make(facts={"residual": float("nan")}).to_json()


def change(**fields):
    return lambda value: value | fields


def entry(**fields):
    return lambda value: value | {"files": [value["files"][0] | fields]}


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: [],
        lambda value: None,
        lambda value: {},
        lambda value: {k: v for k, v in value.items() if k != "facts"},
        change(extra=1),
        change(format=2),
        lambda value: {k: v for k, v in value.items() if k != "format"},
        change(kind="../states"),
        change(key="0" * 64),
        change(payload={"step": "other"}),
        change(coordinates={"model": "../../etc"}),
        change(coordinates={"mo/del": "x"}),
        change(coordinates={"model": 3}),
        change(rows=4),
        change(files={}),
        change(inputs={"examples": "x"}),
        change(inputs=[]),
        change(checks=[{"name": "x", "passed": 1, "detail": ""}]),
        change(checks=[{"name": "x"}]),
        change(checks=[{"name": "x", "passed": True, "detail": "", "severity": "perhaps"}]),
        change(checks=[{"name": "x", "passed": True, "detail": "", "other": 1}]),
        change(created=3),
        entry(name="../../../etc/passwd.parquet"),
        entry(name="/etc/passwd"),
        entry(name="a'b.parquet"),
        entry(bytes=-1),
        entry(bytes="100"),
        entry(rows=True),
        entry(sha256="x"),
        entry(more=1),
        lambda value: value | {"files": [value["files"][0]] * 2, "rows": 6},
        change(files=[], rows=0),
        change(facts={}),
        change(facts={"layers": [2]}),
        change(created="2026-01-02T00:00:00+00:00"),
        change(checksum="0" * 64),
    ],
)
def test_what_was_not_written_here_is_refused(damage):
    value = json.loads(make().to_json())
    with pytest.raises(CorruptPartition) as refused:
        Manifest.from_json(json.dumps(damage(value)), "/lake/manifest.json")
    assert "/lake/manifest.json" in str(refused.value)
    assert "remove its folder" in str(refused.value)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_noise_is_refused_and_nothing_else_is_raised(noise):
    with pytest.raises(CorruptPartition):
        Manifest.from_json(noise, "here")


def test_deep_nesting_is_refused():
    with pytest.raises(CorruptPartition):
        Manifest.from_json("[" * 100_000, "here")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_manifest_changes_unseen(at, difference):
    content = bytearray(make().to_json().encode())
    content[at % len(content)] ^= difference
    try:
        assert Manifest.from_json(bytes(content), "here") == make()  # a space in place of a line's end
    except CorruptPartition as error:
        assert "is no manifest" in str(error)  # noqa: PT017


def test_a_manifest_of_version_0_1_has_no_checksum():
    value = json.loads(make().to_json())
    del value["checksum"]
    assert Manifest.from_json(json.dumps(value), "here") == make()


@given(st.integers(0, 10_000))
def test_a_truncated_manifest_is_refused(length):
    text = make().to_json().rstrip()
    with pytest.raises(CorruptPartition):
        Manifest.from_json(text[: length % len(text)], "here")
