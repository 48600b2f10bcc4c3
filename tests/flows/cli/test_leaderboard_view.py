"""The scores as they are printed, against those of the catalog."""

import pytest

from flows.cli import leaderboard_view
from flows.reporting.effects import gains
from vocabsem.errors import BadInput


def test_the_leaderboard_is_filtered_and_what_there_is_is_named(ran):
    home = ran[0].home
    everything = leaderboard_view.leaderboard_table(home, None, None)
    assert leaderboard_view.leaderboard_table(home, "tiny", "made") == everything
    assert len(everything) == len(ran[0].plan().pairs[0].fits)
    for wrong in (("other", None), (None, "other"), ("tiny", "other")):
        with pytest.raises(BadInput, match="there are tiny/made"):
            leaderboard_view.leaderboard_table(home, *wrong)


def test_the_summary_shows_each_methods_best_and_what_to_run_next(ran, capsys):
    world, _ = ran
    leaderboard_view.print_summary(world.plan())
    shown = capsys.readouterr().out
    rows = leaderboard_view.leaderboard_table(world.home, "tiny", "made").to_pylist()
    for name in {row["method"] for row in rows}:
        scores = [row for row in rows if row["method"] == name]
        best = max(scores, key=lambda row: (row["macro_f1"], -row["nll"]))
        line = next(line for line in shown.splitlines() if line.split()[:1] == [name])
        assert all(f"{row['macro_f1']:.3f}" in line for row in scores)
        assert f"{best['macro_f1_low']:.3f} to {best['macro_f1_high']:.3f}" in line
        assert (f"*{best['macro_f1']:.3f}" in line) == (len(scores) > 1)
        assert line.count("*") == (len(scores) > 1)
        assert [f"{best[name]:.3f}" for name in ("nll", "ece")] == line.split()[-3:-1]
    (lines,) = gains(world.home, world.plan().run.key).values()
    assert len(lines) >= 3
    assert [line.strip() for line in shown.splitlines() if "gain over random anchors: " in line] == lines
    assert "average rank" not in shown, "one data set is no average"
    assert "vocabsem up" in shown
    assert "vocabsem-made@champion" in shown
