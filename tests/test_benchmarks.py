"""What the benchmarks count and how they report it; nothing here is timed."""

import sys
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import benchmarks.__main__ as command
from benchmarks import Row, Setting, _object_store, best_of
from benchmarks._random import random_model, random_prompts
from benchmarks.commands import processor_seconds
from benchmarks.extraction import by_batches, one_at_a_time, operations
from benchmarks.gpu import SHAPES
from benchmarks.overhead import own_home, sampled
from benchmarks.profile import OTHER, by_kind
from vocabsem.cards.loader import load_card
from vocabsem.sources.digests import sha256_of
from vocabsem.states.extraction import extract
from warehouse.home import Home

VOCABULARY = 300


@pytest.fixture(scope="module")
def model():
    return random_model(2, 128, vocabulary=VOCABULARY, dtype="float32")


@pytest.mark.parametrize(
    ("wanted", "met"), [("≥ 2", True), ("≥ 3", False), ("≤ 2", True), ("≤ 1.15", False), ("", True)]
)
def test_a_ratio_is_held_against_what_is_wanted(wanted, met):
    row = Row("extraction", 4.0, "a baseline", 2.0, "s", wanted)
    assert (row.ratio, row.met) == (2.0, met)


def test_works_take_turns_and_the_fastest_counts():
    calls = []
    pauses = iter([0.05, 0.0, 0.0, 0.05])
    one, other = best_of(2, *(lambda name=name: (calls.append(name), time.sleep(next(pauses))) for name in "ab"))
    assert calls == ["a", "b", "a", "b"]
    assert max(one, other) < 0.05


def test_operations_are_those_that_torch_counts(model):
    prompts = [[5], [17], [250]]
    counted = FlopCounterMode(display=False)
    with counted:
        for ids in prompts:
            model.network.base_model(torch.tensor([ids]))
    assert operations(model, prompts) == pytest.approx(counted.get_total_flops(), rel=0.01)  # norms multiply a little


def test_the_time_of_every_operation_is_of_one_kind():
    names = {"aten::mm": 8.0, "aten::bmm": 1.0, "aten::baddbmm": 0.5, "aten::_softmax": 0.25, "aten::view": 0.125}
    result = by_kind(names)
    assert (result["products with weights"], result["products of attention"], result["softmax"]) == (8.0, 1.5, 0.25)
    assert result[OTHER] == 0.125
    assert sum(result.values()) == sum(names.values())


def test_what_is_shared_is_counted_once(model):
    (prefix,) = random_prompts(1, 60, VOCABULARY)
    apart = [operations(model, [[*prefix, token]]) for token in (1, 2)]
    assert operations(model, [[*prefix, 1], [*prefix, 2]]) == pytest.approx(
        sum(apart) - operations(model, [prefix]), rel=0.01
    )


@pytest.mark.parametrize("baseline", [one_at_a_time, by_batches])
def test_rivals_give_the_same_states(model, baseline):
    prompts = random_prompts(20, 8, VOCABULARY)
    result = torch.cat([each.reshape(-1, 128) for each in baseline(model.network, prompts)()])
    expected = torch.from_numpy(extract(model, prompts, [2])[2])
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


def test_the_shapes_for_a_gpu_are_those_of_real_models():
    sizes = {name: sum(p.numel() for p in random_model(**shape, device="meta").network.parameters())
             for name, shape in SHAPES.items()}  # fmt: skip
    assert sizes["0.1"] == load_card("models", "smollm2-135m").parameters
    assert sizes["8"] == load_card("models", "llama-3-8b").parameters
    assert sizes["1"] == pytest.approx(1.24e9, rel=0.01)


def test_time_belongs_to_the_package_that_computes(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(1 << 20))
    with sampled() as seconds:
        time.sleep(0.2)
        deadline = time.perf_counter() + 0.2
        while time.perf_counter() < deadline:
            sha256_of(file)
    assert set(seconds) >= {"elsewhere", "vocabsem"}
    assert seconds["vocabsem"] > 0.1
    assert seconds["elsewhere"] > 0.1


def test_a_home_of_its_own_shares_the_cache_alone(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "file").touch()
    with own_home(Setting(Home(tmp_path))) as home:
        assert (home.cache / "file").exists()
        assert home.root != tmp_path
    assert (tmp_path / "cache" / "file").exists()
    assert not home.root.exists()


def test_the_page_keeps_what_stands_around_its_table(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{command.BEGIN}old\n{command.END}after\n")
    monkeypatch.setattr(command, "PAGE", page)
    command.write_page([("anchors", Row("anchors", 1234.5, "pinv", 2.0, "s", "≤ 0.2"))])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| anchors | anchors | 1,234 s | pinv | 2 s | 617 | ≤ 0.2 |" in text
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="lost its marks"):
        command.write_page([])


def test_seconds_of_the_processor_are_those_of_a_command_and_not_of_the_clock():
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    assert processor_seconds([sys.executable, "-c", busy]) >= 0.3
    assert processor_seconds([sys.executable, "-c", "import time; time.sleep(0.5)"]) < 0.5


@pytest.mark.medium
def test_a_partition_in_a_bucket_takes_two_requests_a_part_to_publish_and_one_to_read(monkeypatch):
    monkeypatch.setattr(_object_store, "ROWS", 4)
    counted = {row.name.rpartition("manifest ")[2]: row.ours for row in _object_store.measure() if row.unit == ""}
    parts = _object_store.PARTS
    assert counted["published"] == 2 * (parts + 1)  # each a listing and a write
    assert counted["read first by another machine"] == parts + 2  # a listing, the manifest, the parts
    assert counted["read again"] == 1
