"""The command line over a home in which an experiment ran: what it prints, in which form, with which exit code."""

import csv
import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.cli import command_line
from flows.planning.plan import make_plan
from tests.conftest import ROOT
from tests.flows.command import command
from tests.tasks.worlds import SPLITS, server, snapshot
from vocabsem.errors import BadInput
from warehouse.catalog.named_queries import named_queries
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

REJECTED = [
    "drop table models",
    "copy models to 'x.csv'",
    "insert into labels values ('a', 0, 'b', 'c')",
    "attach 'x.duckdb' as x",
    "install httpfs",
    "load httpfs",
    "select * from 'secret.csv'",
    "from read_csv('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from glob('/etc/*')",
    "pragma database_list",
    "set threads = 1",
    "select getenv('HOME')",
    "selec 1",
]


def ask(world, *words, **options):
    done = command(world.home, *words, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_second_run_says_that_nothing_is_to_be_done_and_prints_the_leaderboard(ran):
    world, _ = ran
    before = snapshot(world.home.lake)
    done = ask(world, "run", world.card)
    assert "tiny: everything is published, nothing to do" in done.stderr
    assert snapshot(world.home.lake) == before
    rows = json.loads(ask(world, "leaderboard", "--format", "json").stdout)
    for row in rows:
        line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [row["method"]])
        assert f"{row['macro_f1']:.3f}" in line
    next_step = next(line for line in done.stdout.splitlines() if "predict --model vocabsem-made@champion" in line)
    assert next_step.endswith(f" --home {world.home.root}")


def test_the_leaderboard_says_the_same_in_every_form(ran):
    world, _ = ran
    words = ("leaderboard", "tiny", "--dataset", "made", "--format")
    from_json = json.loads(ask(world, *words, "json").stdout)
    from_csv = list(csv.DictReader(io.StringIO(ask(world, *words, "csv").stdout)))
    table = ask(world, *words, "table").stdout
    assert len(from_json) == len(from_csv) == len(world.plan().pairs[0].fits)
    for one, other in zip(from_json, from_csv, strict=True):
        assert (one["method"], one["shots"]) == (other["method"], other["shots"])
        assert float(other["macro_f1"]) == one["macro_f1"]
        assert one["method"] in table
    assert "gain over random anchors" in table
    scores = [row["macro_f1"] for row in from_json]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("words", [["none"], ["--dataset", "none"], ["--format", "xml"]], ids=str)
def test_a_leaderboard_that_is_not_there(ran, words):
    done = command(ran[0].home, "leaderboard", *words)
    assert done.returncode == 2
    assert ("tiny/made" if "none" in words else "table, csv") in done.stderr
    assert "None" not in done.stderr


def test_overrides_and_dry_runs_show_another_plan_and_compute_nothing(ran):
    world, _ = ran
    before = snapshot(world.home.lake)
    plan = json.loads(
        ask(world, "plan", world.card, "--set", "shots=[0,2]", "--set", "limits.test=12", "--json").stdout
    )
    assert plan["steps"]["anchors"] == {"all": 1, "published": 1, "missing": 0}
    assert plan["steps"]["states"] == {"all": 3, "published": 0, "missing": 3}
    assert plan["steps"]["predictions"]["all"] == 4 + 6
    assert plan["to_fetch"] == []
    assert plan["cost"]["basis"] == "at the rate of earlier runs here"
    shown = ask(world, "run", world.card, "--dry-run", "--set", "seeds=[5]").stdout
    assert "plan of tiny" in shown
    assert "to extract: 0 prompts" in shown
    assert snapshot(world.home.lake) == before


@pytest.mark.slow
def test_stages_on_their_own_make_what_the_whole_run_makes(world, ran):
    steps = {
        "extract": ("states", {"examples", "states"}),
        "anchors": ("anchors", {"anchors"}),
        "calibrate": ("predictions", {"predictions"}),
        "evaluate": ("metrics", {"metrics", "comparisons"}),
    }
    early = command(world.home, "calibrate", world.card, api=server())
    assert early.returncode == 2
    assert "anchors of tiny-llama are not there yet" in early.stderr
    assert "`vocabsem anchors`" in early.stderr
    there = set()
    for verb, (kind, kinds) in steps.items():
        printed = ask(world, verb, world.card, api=server()).stdout.split()
        assert set(printed) == {step.key for step in world.plan().steps() if step.kind == kind}
        there |= kinds
        assert {manifest.kind for manifest in Lake(world.home).manifests()} == there
    assert {step.kind for step in world.plan().missing()} == {"runs"}
    rows = json.loads(ask(world, "sql", "select count(*) as n from metrics", "--format", "json").stdout)
    assert rows[0]["n"] > 0


@pytest.mark.slow
def test_sql_answers_in_every_form_and_refuses_to_write(ran, tmp_path):
    world, _ = ran
    query = "select method, shots, macro_f1 from leaderboard order by all"
    rows = json.loads(ask(world, "sql", query, "--format", "json").stdout)
    assert len(rows) == len(world.plan().pairs[0].fits)
    assert "macro_f1" in ask(world, "sql", query).stdout
    with (tmp_path / "out.parquet").open("wb") as out:
        words = [
            sys.executable,
            "-m",
            "flows.cli.main",
            f"--home={world.home.root}",
            "sql",
            query,
            "--format",
            "parquet",
        ]
        subprocess.run(words, cwd=ROOT, stdout=out, check=True)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows
    for wrong in REJECTED:
        done = command(world.home, "sql", wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("error: "), wrong
        assert "Traceback" not in done.stderr
        assert not done.stdout


def test_sql_comes_from_a_file_and_goes_to_one(ran, tmp_path):
    world, _ = ran
    query = "-- by shots\npivot leaderboard on shots using max(macro_f1) group by method order by method;\n"
    rows = json.loads(ask(world, "sql", "--format", "json", stdin=query).stdout)
    assert {row["method"] for row in rows} == {fit.name for fit in world.plan().pairs[0].fits}
    assert set(rows[0]) == {"method", "0", "1", "4", "all"}
    assert json.loads(ask(world, "sql", "-", "--format", "json", stdin=query).stdout) == rows
    output = tmp_path / "pivot.parquet"
    query = query.partition("\n")[2]
    assert ask(world, "sql", query, "--output", output).stdout == f"{output}\n"
    assert pq.read_table(output).to_pylist() == rows
    assert "│" in ask(world, "sql", f"explain {query}").stdout
    done = command(world.home, "sql", query, "--output", tmp_path / "pivot.xlsx")
    assert done.returncode == 2
    assert "--format excel" in done.stderr
    done = command(world.home, "query", "confusions", "--output", tmp_path / "x.csv", "--format", "xml")
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["pivot.parquet"]


def test_the_schema_of_one_table_also_as_json(ran):
    world, _ = ran
    (table,) = json.loads(ask(world, "schema", "leaderboard", "--json").stdout)
    names = [column["name"] for column in table["columns"]]
    assert {"macro_f1", "shots_order", "control", "unlabeled"} <= set(names)
    assert all(column["comment"] for column in table["columns"])
    printed = ask(world, "schema", "leaderboard").stdout
    assert [line.split()[0] for line in printed.splitlines()[1:]] == names
    assert {each["name"] for each in json.loads(ask(world, "schema", "--json").stdout)} > {
        "leaderboard",
        "nearest_tokens",
    }
    done = command(world.home, "schema", "leaderbord")
    assert done.returncode == 2
    assert "did you mean 'leaderboard'" in done.stderr


def test_the_leaderboard_is_selected_by_options(ran):
    world, _ = ran
    words = ("leaderboard", "--metric", "nll", "--shots", "1,all", "--columns", "control,unlabeled", "--sort", "all")
    rows = list(csv.DictReader(io.StringIO(ask(world, *words, "--top", "2", "--format", "csv").stdout)))
    assert list(rows[0])[-3:] == ["nll", "control", "unlabeled"]
    at_all = {row["method"]: float(row["nll"]) for row in rows if row["shots"] == "all"}
    assert len(at_all) == 2
    assert list(at_all.values()) == sorted(at_all.values())
    shown = ask(world, *words).stdout
    assert all(name in shown for name in at_all)
    assert "zero_shot" not in shown
    done = command(world.home, "leaderboard", "--metric", "f2")
    assert done.returncode == 2
    assert "--metric 'f2' is unknown" in done.stderr


def test_arrays_are_exported(ran, tmp_path):
    world, _ = ran
    of = ("--model", "tiny-llama", "--dataset", "made")
    done = ask(world, "export", "states", *of, "--split", "test", "--output", tmp_path / "x.npz")
    assert f"{SPLITS['test']} rows" in done.stdout
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["state"].shape[0] == SPLITS["test"]
    for words, message in (
        (("states",), "give --dataset"),
        (("predictions",), "give --experiment, of tiny"),
        (
            ("predictions", "--experiment", "tiny", "--method", "none"),
            "no predictions of --experiment tiny --method none",
        ),
        (("states", "--dataset", "nowhere"), "no states of --dataset nowhere"),
        (("weights",), "states"),
    ):
        done = command(world.home, "export", *words, "--output", tmp_path / "y.npz")
        assert done.returncode == 2, words
        assert message in done.stderr
    assert not (tmp_path / "y.npz").exists()


def test_named_queries_are_listed_and_run_with_parameters(ran):
    world, _ = ran
    listed = ask(world, "query").stdout
    for name, analysis in named_queries().items():
        assert f"\n{name:<18} {analysis.question}\n" in f"\n{listed}"
    words = ("query", "confusions", "--param", "method=centroid", "--param", "shots=4", "--format")
    rows = json.loads(ask(world, *words, "json").stdout)
    assert {(row["method"], row["shots"]) for row in rows} == {("centroid", "4")}
    assert "centroid" in ask(world, *words, "table").stdout
    assert len(list(csv.DictReader(io.StringIO(ask(world, *words, "csv").stdout)))) == len(rows)
    for wrong, output in (
        (["confusion"], "did you mean 'confusions'"),
        (["confusions", "--param", "methods=centroid"], "did you mean 'method'"),
        (["confusions", "--param", "method=centriod"], "did you mean 'centroid'"),
        (["confusions", "--param", "method"], "expected KEY=VALUE"),
        (["confusions", "--param", "method=x' union select getenv('HOME') --"], "nothing matches"),
        (["confusions", "--param", "dataset=read_text('/etc/passwd')"], "nothing matches"),
        (["confusions", "--format", "xml"], "choose one of table"),
    ):
        done = command(world.home, "query", *wrong)
        assert done.returncode == 2, wrong
        assert output in done.stderr
        assert not done.stdout


def test_neighbors_are_printed_and_an_unknown_token_is_explained(ran):
    world, _ = ran
    token = json.loads(ask(world, "sql", "select token from anchors where token_id = 300", "--format", "json").stdout)[
        0
    ]["token"]
    rows = json.loads(ask(world, "neighbors", token, "--model", "tiny-llama", "-k", "4", "--format", "json").stdout)
    assert len(rows) == 4
    split = command(world.home, "neighbors", "nosuchtoken", "--model", "tiny-llama")
    assert split.returncode == 2
    assert "'nosuchtoken' is no single token of 'tiny-llama'" in split.stderr
    stranger = command(world.home, "neighbors", token)
    assert stranger.returncode == 2
    assert "no anchors of model 'smollm2-135m-instruct'" in stranger.stderr
    assert "tiny-llama" in stranger.stderr


def test_a_champion_classifies_words_and_lines(ran):
    world, _ = ran
    words = ("predict", "--model", "vocabsem-made@champion", "--json")
    given = json.loads(ask(world, *words, "the good film", "a dull story").stdout)
    assert [sum(row[name] for name in ("neg", "pos", "tale")) for row in given] == pytest.approx([1, 1])
    assert all(row["label"] == max(("neg", "pos", "tale"), key=row.get) for row in given)
    piped = json.loads(ask(world, *words, "-", stdin="the good film\na dull story\n").stdout)
    assert piped == given


def test_texts_of_another_encoding_are_refused(ran):
    model = ("predict", "--model", "vocabsem-made@champion")
    messages = r"error: the text 'voil\udce0' is not UTF-8 at character 4: convert it to UTF-8"
    for words, stdin in (
        (("lens", "voil\udce0"), b""),
        ((*model, "voil\udce0"), b""),
        ((*model, "-"), b"good\nvoil\xe0\n"),
    ):
        done = command(ran[0].home, *words, stdin=stdin.decode(errors="surrogateescape"))
        assert (done.returncode, done.stderr.strip()) == (2, messages)


def test_the_warehouse_is_rebuilt_the_lake_swept_and_the_schema_printed(ran, tmp_path):
    world, _ = ran
    before = ask(world, "leaderboard", "--format", "csv").stdout
    ask(world, "warehouse", "rebuild")
    assert ask(world, "leaderboard", "--format", "csv").stdout == before
    lake = snapshot(world.home.lake)
    stray = world.plan().pairs[0].anchors.partition(Lake(world.home)).path / "part-0.parquet.tmp-1234"
    stray.write_bytes(b"half")
    assert ask(world, "gc").stdout == "", "a fresh file may be a writer's"
    assert str(stray) in ask(world, "gc", "--hours", "0").stdout
    assert snapshot(world.home.lake) == lake
    schema = ask(world, "schema").stdout
    for name in ("leaderboard", "label_efficiency", "examples", "states", "anchors", "nearest_tokens", "lineage"):
        assert f"\n{name} (" in f"\n{schema}"
    described = 0
    for block in schema.strip().split("\n\n"):
        heading, *columns = block.splitlines()
        assert heading.partition(": ")[2], heading
        if "(macro)" not in heading:  # whose parameters are words
            assert all(len(line.split(maxsplit=2)) == 3 for line in columns)
            described += len(columns)
    assert described > 50


def test_a_home_that_can_be_none_is_refused(tmp_path):
    (path := tmp_path / "file").touch()
    for words in ([], [""]):
        for option in ("--home", "--cards"):
            with pytest.raises(BadInput, match=f"{option} needs a folder: write {option} DIR"):
                list(command_line._take(option, ["leaderboard", option, *words]))
            with pytest.raises(BadInput, match=f"{option} needs a folder"):
                list(command_line._take(option, ["leaderboard", f"{option}="]))
    done = command(Home(path), "leaderboard")
    assert (done.returncode, done.stderr) == (
        2,
        f"error: the home {path} is not a folder: choose one with --home or VOCABSEM_HOME\n",
    )


def test_errors_of_the_file_system_are_described_with_a_fix():
    message = command_line.describe(OSError(errno.EROFS, os.strerror(errno.EROFS), "/home/logs"))
    assert message.startswith("/home/logs: Read-only file system: fix its permissions, free disk space, or choose")
    assert command_line.describe(ValueError("no")) == "ValueError: no\n(--debug prints the traceback)"


def test_the_home_is_taken_from_anywhere_on_the_line_or_from_the_environment(ran, tmp_path):
    world, _ = ran
    command_line = [sys.executable, "-m", "flows.cli.main", "leaderboard", "--format", "csv"]
    expected = ask(world, "leaderboard", "--format", "csv").stdout
    done = subprocess.run(
        command_line,
        cwd=ROOT,
        env=os.environ | {"VOCABSEM_HOME": str(world.home.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected
    nowhere = command(Home(tmp_path), "leaderboard", f"--home={world.home.root}", "--format", "csv")
    assert nowhere.returncode == 2, "the first of two is taken, the second is no option"


def test_help_lists_every_command():
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    verbs = (
        "run plan extract anchors calibrate evaluate leaderboard report sql query schema neighbors predict up doctor"
    )
    for verb in [*verbs.split(), "compare", "export", "gc", "mcp", "serve", "shell", "warehouse"]:
        assert f"\n  {verb} " in done.stdout
    assert "Exit codes: 0 success, 1 a computation failed, 2 invalid input" in " ".join(done.stdout.split())


def test_a_plan_of_another_home_shares_nothing(ran, tmp_path):
    world, _ = ran
    plan = make_plan(world.plan().experiment, Home(tmp_path))
    assert plan.missing() == list(plan.steps())
