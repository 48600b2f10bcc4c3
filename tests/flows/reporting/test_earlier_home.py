"""A home written by version 0.1, as it is: read by the catalog, its views, `verify`, `gc`, the report and
the plan.

tests/fixtures/home-0.1.tar.gz holds the lake and the catalog of one run of a tiny model: four methods, 0 and 4 shots.
"""

import shutil
import tarfile
from datetime import timedelta

import pytest

from flows.planning.changes import Change, changes
from flows.reporting.report import report
from tasks.steps.result_specs import ComparisonsSpec, MetricsSpec
from tasks.steps.specs import FitSpec, StatesSpec
from tests.conftest import ROOT
from tests.tasks.worlds import World
from tests.warehouse.catalog.test_update import everything
from vocabsem.instruments.registry import study_infos
from vocabsem.methods.registry import method_info
from warehouse.catalog import reads
from warehouse.catalog.catalog import query, rebuild, tables, update
from warehouse.home import Home
from warehouse.lake.gc import sweep
from warehouse.lake.manifest import partition_folders
from warehouse.lake.verify import verify

pytestmark = pytest.mark.medium

FITS = (
    6  # zero_shot; the calibrator with anchors and, a control, with random vectors at 0 and 4 shots; a probe, a control
)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ROOT / "tests" / "fixtures" / "home-0.1.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    home = Home(folder / "home")
    update(home)
    return home


def test_an_update_of_the_earlier_catalog_gives_the_rows_of_a_rebuild(earlier, tmp_path):
    other = Home(tmp_path / "home")
    shutil.copytree(earlier.lake, other.lake)
    rebuild(other)
    updated, rebuilt = everything(earlier), everything(other)
    assert {name: table.to_pylist() for name, table in updated.items()} == {
        name: table.to_pylist() for name, table in rebuilt.items()
    }


def test_every_view_has_rows_in_the_words_of_this_version(earlier):
    empty = {"diagnostics", "sensitivity", "study_values", "study_items", *(f"study_{name}" for name in study_infos())}
    for table in tables(earlier):
        if table.kind != "macro":
            assert bool(len(query(earlier, f"from {table.name}"))) == (table.name not in empty), table.name
    assert not any(query(earlier, "from states")["truncated"].to_pylist())
    assert set(query(earlier, "from models")["license"].to_pylist()) != {None}
    assert query(earlier, "from datasets")["license"].to_pylist() == ["CC0-1.0"]
    (run,) = query(earlier, "from runs").to_pylist()
    assert len(reads.run_scores(earlier, run["key"])) == FITS
    best = reads.best_by_validation(earlier, run["key"])
    assert {row["method"] for row in best} == {"zero_shot", "vocabulary_calibrator"}
    assert sorted(row["champion_rank"] for row in best) == list(range(1, len(best) + 1))
    costs = {row["kind"]: row for row in reads.run_costs(earlier, run["key"])}
    assert costs["states"]["truncated"] == 0
    assert set(query(earlier, "from partitions where kind = 'calibrators'")["latest"].to_pylist()) == {True}


def test_it_is_verified_and_nothing_of_it_is_swept(earlier):
    assert [fault for one in verify(earlier) for fault in one.faults] == []
    assert sweep(earlier, timedelta(0)) == []
    assert all((folder / "manifest.json").exists() for folder in partition_folders(earlier.lake))


def test_its_run_is_reported(earlier):
    page = report(earlier, "tiny")
    for row in query(earlier, "from leaderboard").to_pylist():
        assert f"{row['macro_f1']:.3f}" in page


def test_a_calibrator_that_cannot_be_read_leaves_out_its_picture_with_a_line(earlier, caplog):
    page = report(earlier, "tiny", html=True)
    assert "States before and after calibration" not in page
    (line,) = caplog.messages
    assert line.startswith("no picture of states before and after vocabulary_calibrator: stored method cannot be read")
    assert "\n" not in line


def test_its_earlier_catalog_is_rebuilt_at_the_first_read(tmp_path):
    with tarfile.open(ROOT / "tests" / "fixtures" / "home-0.1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert len(query(Home(tmp_path / "home"), "from best_by_validation")) == 3, "controls aside"


def test_a_plan_says_what_of_it_would_be_computed_anew_and_why(earlier, tmp_path):
    control = {"method": "vocabulary_calibrator", "params": {"targets": "random"}}
    methods = ["zero_shot", "vocabulary_calibrator", control, {"method": "linear_probe", "control": True}]
    world = World(tmp_path, experiment={"methods": methods, "shots": [0, 4]})
    world.home = earlier
    steps = (StatesSpec, 1, 3), (FitSpec, 3, FITS), (MetricsSpec, 2, FITS), (ComparisonsSpec, 1, 2)
    newer = [Change(spec.kind, f"step version {old} → {spec.version}", count) for spec, old, count in steps]
    revision = f"method.revision 2 → {method_info('vocabulary_calibrator').revision}"
    follows = {"predictions": "states", "metrics": "predictions", "comparisons": "predictions"}
    others = [Change(change.kind, f"other {follows[change.kind]}", change.partitions) for change in newer[1:]]
    assert set(changes(world.plan())) == {*newer, *others, Change("predictions", revision, 4)}, (
        "no examples, no anchors"
    )
