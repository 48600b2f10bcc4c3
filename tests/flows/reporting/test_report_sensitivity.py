"""The report's section on sensitivity: the view's figures, a row for what varies, a column a data set."""

import pytest

from flows.reporting.report import report
from tasks.steps.specs import SPLITS
from tests.flows.reporting.test_report import table
from tests.warehouse.catalog.test_sensitivity import METHODS, SETS, put_seeds
from tests.warehouse.lakes import put_run
from warehouse.catalog import catalog
from warehouse.home import Home
from warehouse.lake.partition import Lake

CARD = {"name": "one", "description": "Made up.", "seeds": [0, 1, 2], "limits": dict.fromkeys(SPLITS)}
CARD["methods"] = [{"method": "zero_shot"}, {"method": "zero_shot", "label": "icl"}, {"method": "ridge"}]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("report"))
    made = [put_seeds(Lake(home), dataset, method) for dataset in SETS for method in METHODS]
    put_run(Lake(home), "one", made, card=CARD)
    put_run(Lake(home), "plain", [m for m in made if m.coordinates["dataset"] == "trec"][:1], card=CARD)
    catalog.rebuild(home)
    return home


def test_every_figure_of_the_view_is_in_its_cell(home):
    page = report(home, "one")
    lines = page.partition("### Sensitivity\n")[2].partition("\n#")[0].splitlines()
    cells = {
        tuple(cell.strip() for cell in line.split("|")[1:4]): line.split("|")[4:6] for line in lines if "`" in line
    }
    rows = catalog.query(home, "from sensitivity where experiment = 'one'").to_pylist()
    assert len(cells) == len({(row["choice"], row["method"]) for row in rows})
    for row in rows:
        output = cells[row["choice"], f"`{row['method']}`", row["shots"]][row["dataset"] == "trec"]
        assert f"({row['low']:.3f} to {row['high']:.3f})" in output
        if row["choice"] == "noise":
            assert f"{row['slope'] * 0.1:+.3f}" in output
        else:
            assert f"{row['mean']:.3f} ± {row['spread']:.3f}" in output
        assert (f"± {row['seed_spread']:.3f}" in output) == (row["choice"] == "order")
    assert list(table(page, "Sensitivity"))[-1] == "noise", "words, templates, orders, noise"


def test_a_run_without_variants_has_no_such_section(home):
    assert "Sensitivity" not in report(home, "plain")
