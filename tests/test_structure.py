"""The figures of the structure, on a tree whose figures are known and on this one."""

import pytest

from scripts.structure import PACKAGES, circles, longest_chain, measure, report, totals
from tests.conftest import ROOT

TREE = {
    "flows/__init__.py": "",
    "flows/pipeline.py": "@flow\ndef run(): import tasks.fit\nfrom flows.planning.plan import Plan, build\n",
    "flows/planning/plan.py": "import numpy\ndef build():\n    from flows.planning.cost import cost\n",
    "flows/planning/cost.py": "import typing\nif typing.TYPE_CHECKING:\n    import flows.planning.plan\n",
    "tasks/fit.py": "from vocabsem import ridge\nfrom vocabsem.methods import base\n",
    "vocabsem/__init__.py": "",
    "vocabsem/ridge.py": "from vocabsem.methods.base import Method\n",
    "vocabsem/methods/base.py": "Method = object\n" * 301,
}


@pytest.fixture
def structure(tmp_path):
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return measure(tmp_path)


def test_files_and_lines_are_counted_by_folder(structure):
    assert structure.lines["flows.pipeline"] == 3
    assert structure.folder["flows"] == "flows"
    assert structure.folder["flows.planning.cost"] == "flows.planning"
    assert structure.long == ["vocabsem.methods.base"]


def test_an_import_counts_wherever_it_stands(structure):
    assert structure.modules["flows.pipeline"] == {"tasks.fit", "flows.planning.plan"}
    assert structure.modules["flows.planning.plan"] == {"flows.planning.cost"}, "in a function"
    assert structure.modules["flows.planning.cost"] == {"flows.planning.plan"}, "for types only"
    assert structure.folders["tasks"] == {"vocabsem", "vocabsem.methods"}


def test_chains_and_circles(structure):
    assert circles(structure.modules) == [{"flows.planning.plan", "flows.planning.cost"}]
    assert longest_chain(structure.modules) == [
        "flows.pipeline",
        "tasks.fit",
        "vocabsem.ridge",
        "vocabsem.methods.base",
    ]
    assert longest_chain(structure.folders) == ["flows", "tasks", "vocabsem", "vocabsem.methods"]
    assert longest_chain({}) == []


def test_a_longer_circle_is_one_and_a_chain_passes_through_it_once():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b", "e"}, "e": set(), "f": set()}
    assert circles(graph) == [{"b", "c", "d"}]
    assert longest_chain(graph) == ["a", "b", "e"]


def test_the_totals(structure):
    assert totals(structure) == {
        "files": 8,
        "lines": 3 + 3 + 3 + 2 + 1 + 301,
        "files in the largest folder": 2,
        "files in flows/ that are no flow": 0,
        "files in tasks/ that are no task": 1,
        "imports between modules": 7,
        "imports between folders": 5,
        "longest chain of modules": 4,
        "longest chain of folders": 4,
        "circles of modules": 1,
        "circles of folders": 0,
        "files over 300 lines": 1,
    }
    assert report(structure).endswith("circle: flows.planning.cost, flows.planning.plan")


def test_this_checkout_is_measured():
    here = measure(ROOT)
    assert {folder.split(".")[0] for folder in here.folders} == set(PACKAGES)
    assert f"files over 300 lines{len(here.long):>20}" in report(here)
