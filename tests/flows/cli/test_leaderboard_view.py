"""The scores as they are printed, against those of the catalog; what to run next."""

import shlex
import subprocess
import sys

import pytest

from flows.cli import next_steps
from flows.cli.board import Selection
from flows.cli.board_rows import check_selection, leaderboard_rows, long_table
from flows.cli.leaderboard_view import print_leaderboards, print_summary
from flows.reporting.effects import gain_cells
from tasks.tracking.outcome import registrations
from vocabsem.errors import BadInput
from warehouse.catalog import catalog, reads

pytestmark = pytest.mark.medium


def test_the_leaderboard_is_filtered_and_what_there_is_is_named(ran):
    home = ran[0].home
    everything = leaderboard_rows(home)
    assert leaderboard_rows(home, "tiny", "made") == everything
    assert len(everything) == len(ran[0].plan().pairs[0].fits)
    for wrong in (("other", None), (None, "other"), ("tiny", "other")):
        with pytest.raises(BadInput, match="there are tiny/made"):
            leaderboard_rows(home, *wrong)
    calibrators = leaderboard_rows(home, methods=["vocabulary_*"], shots=["1", "all"])
    assert {row["method"] for row in calibrators} == {"vocabulary_calibrator", "vocabulary_calibrator+random"}
    assert {row["shots"] for row in calibrators} == {"1", "all"}
    with pytest.raises(BadInput, match="--method 'zero_shut' is not on this leaderboard: did you mean 'zero_shot'"):
        leaderboard_rows(home, methods=["zero_shut"])
    with pytest.raises(BadInput, match=r"--shots '7' .* known are 0, 1, .*all$"):
        leaderboard_rows(home, shots=["7"])


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(metric="f1"), "--metric 'f1' is unknown: .*macro_f1"),
        (Selection(columns=("nll", "eces")), "--columns 'eces' is unknown: did you mean 'ece'"),
        (Selection(sort="32"), "--sort '32' is unknown: .*all"),
    ],
)
def test_a_selection_that_a_board_does_not_have(ran, selection, message):
    with pytest.raises(BadInput, match=message):
        check_selection(selection, leaderboard_rows(ran[0].home))


def test_the_table_for_other_tools_follows_the_selection(ran):
    home = ran[0].home
    rows = leaderboard_rows(home)
    assert long_table(rows, Selection()).to_pylist() == rows
    cut = long_table(rows, Selection(metric="nll", columns=("interval", "control"), top=2))
    assert cut.column_names[-4:] == ["nll", "macro_f1_low", "macro_f1_high", "control"]
    lowest = {}
    for row in rows:
        lowest[row["method"]] = min(row["nll"], lowest.get(row["method"], row["nll"]))
    assert list(dict.fromkeys(cut["method"].to_pylist())) == sorted(lowest, key=lowest.__getitem__)[:2]


def test_controls_and_the_use_of_unlabeled_texts_are_columns(ran):
    world, _ = ran
    specs = {spec.name: spec for spec in world.plan().experiment.methods}
    for row in leaderboard_rows(world.home):
        assert row["control"] is specs[row["method"]].is_control
        assert row["unlabeled"] is specs[row["method"]].learns_from_unlabeled
    assert {row["unlabeled"] for row in leaderboard_rows(world.home)} == {True, False}


def test_the_summary_shows_each_score_the_champion_and_what_to_run_next(ran, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    world, run = ran
    print_summary(world.home, "tiny", run, None)
    shown = capsys.readouterr().out
    rows = leaderboard_rows(world.home)
    for name in {row["method"] for row in rows}:
        scores = [row for row in rows if row["method"] == name]
        best = max(scores, key=lambda row: (row["macro_f1"], -row["nll"]))
        line = next(line for line in shown.splitlines() if line.split()[:1] == [name])
        for row in scores:
            assert f"{row['macro_f1']:.3f} [{row['macro_f1_low']:.3f}, {row['macro_f1_high']:.3f}]" in line
        assert {f"{best[name]:.3f}" for name in ("nll", "ece", "accuracy", "brier")} <= set(line.split())
    (cells,) = gain_cells(world.home, world.plan().run.key).values()
    assert len(cells) >= 3
    assert all(each["gain over random anchors"] in shown for each in cells)
    assert "average rank" not in shown, "one data set is no average"
    (champion,) = registrations(world.home, world.plan().run.key)
    best = next(row for row in reads.best_by_validation(world.home, world.plan().run.key) if row["champion_rank"] == 1)
    line = " ".join(shown[shown.index("Champion of made: ") :].split())
    assert f"{best['method']} at {best['shots']} shots" in line
    assert f"{best['validation_macro_f1']:.3f}" in line
    assert "vocabsem-made@champion" in line
    assert champion.why.partition(" (")[0] in shown


def test_the_same_tables_are_printed_of_the_leaderboard(ran, capsys):
    world, run = ran
    print_summary(world.home, "tiny", run, None)
    summary = capsys.readouterr().out
    print_leaderboards(world.home, leaderboard_rows(world.home), Selection())
    boards = capsys.readouterr().out
    title = "made, tiny-llama"
    assert boards[boards.index(title) :].partition("\n\n")[0] == summary[summary.index(title) :].partition("\n\n")[0]
    assert boards.startswith("tiny\n")


def test_next_steps_work_as_typed(ran, monkeypatch, tmp_path):
    world, _ = ran
    made = registrations(world.home, world.plan().run.key)
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/vocabsem"])
    commands = next_steps.next_steps(world.home, "tiny", ["made"], made, "a home")
    assert [shlex.split(command)[1] for command, _ in commands] == ["predict", "report", "up"]
    predict = shlex.split(commands[0][0])
    assert predict[2:4] == ["--model", "vocabsem-made@champion"]
    assert predict[-2:] == ["--home", "a home"]
    rows = catalog.query(world.home, "select text from examples where split = 'test'").to_pylist()
    assert any(" ".join(row["text"].split()).startswith(predict[4]) for row in rows)
    script = f"set -- {commands[0][0]}; printf '%s\\0' \"$@\""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == predict


def test_the_program_is_named_as_it_can_be_typed(monkeypatch, tmp_path):
    here = tmp_path / "project" / ".venv" / "bin" / "vocabsem"
    here.parent.mkdir(parents=True)
    here.write_text("#!/bin/sh\n")
    here.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(here)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path / "project")
    assert next_steps.program() == ".venv/bin/vocabsem"
    monkeypatch.chdir(here.parent)
    assert next_steps.program() == "./vocabsem"
    monkeypatch.setenv("PATH", str(here.parent))
    assert next_steps.program() == "vocabsem"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("PATH", "")
    assert next_steps.program() == str(here)
    monkeypatch.setattr(sys, "argv", ["/somewhere/vocabsem/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(here.with_name("python")))
    assert next_steps.program() == "../project/.venv/bin/python -m vocabsem"
