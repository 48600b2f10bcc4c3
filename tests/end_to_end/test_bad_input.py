"""What cannot be used is stated in one clear error, with an exit code, and leaves nothing half-written."""

import os
import subprocess
import time

import pytest
import yaml

from tests.flows.command import Command, command
from tests.tasks.worlds import (
    LABELS,
    SPLITS,
    World,
    dataset_card,
    half_written,
    sentences,
    server,
    snapshot,
    with_store,
    write_card,
    write_rows,
)
from warehouse.catalog.catalog import LEASE
from warehouse.lake.lease import lease
from warehouse.lake.manifest import MANIFEST

pytestmark = pytest.mark.medium

QUICK = {"methods": ["zero_shot", "linear_probe"], "shots": [0, 2], "champion": False, "shard_rows": 8}


@pytest.fixture
def make(tmp_path):
    return lambda **changes: World(tmp_path, **({"experiment": QUICK} | changes))


@pytest.fixture
def world(make):
    """A world whose experiment runs to its end."""
    return with_store(make())


def manifests(home, kind=""):
    return sorted((home.lake / kind).rglob(MANIFEST))


def refused(world, *words, code=2, says=(), **options):
    """The command's error is one, clear, and leaves nothing half-written; returns its text."""
    done = command(world.home, *words, **options)
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for part in says:
        assert part in done.stderr
    assert not half_written(world.home)
    return done.stderr


# Before anything runs: no server is started, no folder is made.


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shotts": [1], "shots": ...}, ["experiment.yaml:", "unknown key 'shotts'", "did you mean 'shots'"]),
        ({"methods": ["linear_prob"]}, ["experiment.yaml:", "did you mean 'linear_probe'"]),
        ({"models": ["smollm2-135m-instruc"]}, ["unknown model", "did you mean 'smollm2-135m-instruct'"]),
        ({"datasets": ["rotten_tomatos"]}, ["unknown dataset", "did you mean 'rotten_tomatoes'"]),
        ({"models": ["/no/such/model.yaml"]}, ["cannot read the card /no/such/model.yaml", "No such file"]),
        ({"layers": [4]}, ["experiment 'tiny' with model", "layers [4]: the model has layers 0 (embedding) to 3"]),
    ],
    ids=str,
)
def test_a_wrong_experiment_card(make, changes, says):
    world = make(experiment=QUICK | changes)
    for verb in ("run", "plan", "extract"):
        refused(
            world, verb, world.card, says=says, api="http://127.0.0.1:9/no-server" if verb != "extract" else server()
        )
    assert not world.home.lake.exists()


def test_a_wrong_key_in_the_card_of_a_data_set_or_a_model(make):
    world = make()
    path = write_card(world.folder / "dataset.yaml", dataset_card(world.folder) | {"templat": "x"})
    refused(world, "run", world.card, says=[f"{path}:", "unknown key 'templat'", "did you mean 'template'"])
    world = make()
    card = yaml.safe_load((world.folder / "model.yaml").read_text())
    path = write_card(world.folder / "model.yaml", card | {"layer": 3})
    refused(world, "run", world.card, says=[f"{path}:", "unknown key 'layer'", "did you mean 'layers'"])
    assert not world.home.lake.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "nosuchcard"], ["unknown experiment 'nosuchcard'", "known are"]),
        (["run", "CARD", "--set", "shots"], ["--set 'shots'", "expected key=value"]),
        (["run", "CARD", "--set", "limits.trian=3"], ["did you mean 'train'"]),
        (["run", "CARD", "--data-dir", "/no/such/folder"], ["'/no/such/folder' does not exist"]),
        (["leaderboard"], ["there is no catalog", "vocabsem run CARD"]),
        (["sql", "select 1"], ["there is no catalog"]),
        (["neighbors", " bad", "--model", "tiny"], ["there is no catalog"]),
        (
            ["predict", "--model", "vocabsem-made@champion", "a text"],
            ["no model 'vocabsem-made@champion' is registered"],
        ),
        (["predict", "--model", "vocabsem-made@champion", " "], ["a text to classify is empty"]),
        (["predict", "a text"], ["name a model registered in", "there are none yet"]),
        (["serve"], ["name a model registered in", "there are none yet"]),
    ],
    ids=str,
)
def test_a_wrong_command(make, words, says):
    world = make()
    refused(world, *(world.card if word == "CARD" else word for word in words), says=says)
    assert not world.home.lake.exists()


@pytest.mark.parametrize(
    "words", [["run"], ["rum"], ["run", "x", "--sett", "y"], ["neighbors", " a", "-k", "0"]], ids=str
)
def test_a_command_line_that_is_none(make, words):
    done = command(make().home, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_debug_shows_where(make):
    world = make(experiment=QUICK | {"layers": [4]})
    done = command(world.home, "plan", world.card, "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "CardError" in done.stderr


# While it runs: what was published before the error stays, nothing else does.


def bad_rows(**last):
    rows = sentences()
    rows[5] |= last
    return rows


def one_class():
    return [row | {"label": "neg"} for row in sentences()[: -SPLITS["test"]]] + sentences()[-SPLITS["test"] :]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rows": bad_rows(text="  ")}, ["row 5 of", "train.jsonl", "empty text", "drop_empty"]),
        ({"rows": bad_rows(label="nag")}, ["row 5 of", "'nag'", "the card's labels are 'neg', 'pos', 'tale'"]),
        ({"rows": one_class()}, ["every training row of dataset 'made' is of class 'neg'"]),
        ({"dataset": {"sha256": {"train": "0" * 64}}}, ["train.jsonl' has the sha256", "its card says 0000"]),
        ({"dataset": {"fields": {"text": "txt"}}}, ["has no column 'txt'", "did you mean 'text'"]),
        (
            {"dataset": {"labels": [LABELS[0] | {"word": "wonderful"}, *LABELS[1:]]}},
            ["label word 'wonderful' of dataset 'made' is 10 tokens", "'word_tokens'"],
        ),
        (
            {"dataset": {"labels": [LABELS[0] | {"word": "positively"}, *LABELS[1:]], "word_tokens": "first"}},
            ["label words 'positively' and 'positive' of dataset 'made' share the token"],
        ),
        (
            {"experiment": QUICK | {"shots": [0, 2, 21]}},
            ["21 shots of dataset 'made'", "training examples", "lower 'shots'"],
        ),
        ({"experiment": QUICK | {"device": "cuda:7"}}, ["device 'cuda:7'", "no GPU"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_data_that_cannot_be_used(make, changes, says):
    world = make(**changes)
    refused(world, "run", world.card, says=says, api=server())
    assert not manifests(world.home, "states"), "told before the long work"
    assert not manifests(world.home, "predictions")
    assert not manifests(world.home, "runs")


def test_a_missing_file_of_rows(make):
    world = make()
    (world.folder / "test.jsonl").unlink()
    refused(world, "run", world.card, says=["test.jsonl does not exist"], api=server())
    assert not manifests(world.home)


def test_a_model_with_other_bytes_than_its_card_says(make):
    world = make()
    card = yaml.safe_load((world.folder / "model.yaml").read_text())
    write_card(world.folder / "model.yaml", card | {"sha256": "0" * 64})
    refused(world, "run", world.card, says=["has the sha256", "its card says 0000"], api=server())
    assert not manifests(world.home)


def test_a_parquet_source_that_is_none(make):
    world = make()
    for split in ("train", "test"):
        (world.folder / f"{split}.parquet").write_bytes(b"PAR1 and then nothing")
    files = {split: f"file:{world.folder / split}.parquet" for split in ("train", "test")}
    world.write_dataset(format="parquet", files=files)
    refused(world, "run", world.card, says=["cannot read", "train.parquet as parquet"], api=server())
    assert not manifests(world.home)


@pytest.mark.slow
def test_the_fix_of_a_wrong_row_lets_the_run_go_on(make):
    world = with_store(make(rows=bad_rows(text="")))
    refused(world, "run", world.card, api=server())
    write_rows(world.folder / "train.jsonl", sentences()[: -SPLITS["test"]])
    done = command(world.home, "run", world.card, api=server())
    assert done.returncode == 0, done.stderr


# A lake that was damaged, a disk that is full, a second writer.


@pytest.mark.slow
def test_a_published_file_with_a_flipped_byte_is_named_with_its_fix(world):
    assert command(world.home, "run", world.card, api=server()).returncode == 0
    (part,) = world.home.lake.glob("states/*/*/split=test/*/part-00000000-*.parquet")
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    more = ("run", world.card, "--set", "shots=[0,2,3]")
    refused(world, *more, code=1, says=[f"{part} is damaged", f"remove the folder {part.parent}"], api=server())

    for file in part.parent.iterdir():
        file.unlink()
    part.parent.rmdir()
    done = command(world.home, *more, api=server())
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_published_file_cut_short_is_computed_again(world):
    first = command(world.home, "run", world.card, api=server())
    assert first.returncode == 0
    (part,) = world.home.lake.glob("states/*/*/split=test/*/part-00000000-*.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    before = {path: at for path, at in snapshot(world.home.lake).items() if path.suffix == ".parquet" and path != part}
    again = command(world.home, "run", world.card, api=server())
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert before.items() <= snapshot(world.home.lake).items(), "and nothing else"


@pytest.fixture
def small_disk(world):
    """A lake on a file system of its own, with room for examples and anchors but not for all states."""
    world.home.lake.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=176k", "none", str(world.home.lake)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield world
    subprocess.run(["umount", str(world.home.lake)], check=True)


def test_a_full_disk(small_disk):
    world = small_disk
    done = refused(world, "run", world.card, code=1, says=["cannot write", "free some space", "--home"], api=server())
    assert "is kept" in done
    kept = snapshot(world.home.lake)
    assert not manifests(world.home, "runs")
    subprocess.run(["mount", "-o", "remount,size=20m", str(world.home.lake)], check=True)
    again = command(world.home, "run", world.card, api=server())
    assert again.returncode == 0, again.stderr
    now = snapshot(world.home.lake)
    finished = [p for p in kept if (p.parent / "manifest.json") in kept or "states" in p.parts]  # partitions and shards
    assert {p: kept[p] for p in finished if p.suffix == ".parquet"}.items() <= now.items(), "finished files are kept"


@pytest.mark.slow
def test_two_runs_at_once_both_end_well(world):
    both = [Command(world.home, "run", world.card, api=server()) for _ in range(2)]
    done = [each.wait() for each in both]
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    scores = [command(world.home, "leaderboard", "--format", "csv").stdout]
    plan = world.plan()
    assert plan.done
    for step in plan.steps():
        step.partition(plan.lake).verify()
    assert not half_written(world.home)
    assert scores[0].count("\n") == 1 + 2


def test_a_second_writer_waits_its_turn(make):
    world = make()
    world.home.lake.mkdir(parents=True)
    with lease(world.home.root / LEASE, timeout=5):
        waiting = Command(world.home, "warehouse", "rebuild")
        time.sleep(1)
        assert waiting.process.exitcode is None
    assert waiting.wait().returncode == 0


@pytest.mark.slow
def test_a_second_writer_gives_up_in_the_end_and_names_the_first(make):
    world = make()
    with lease(world.home.root / LEASE, timeout=5):
        refused(world, "warehouse", "rebuild", code=1, says=[f"is held by pid {os.getpid()}", "waited 60 s"])
