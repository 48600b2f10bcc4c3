"""The notebooks of `examples/`, run as they stand, against the real model."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.py"))


def test_they_are_notebooks():
    studies = ["studies_of_texts", "studies_of_tokens", "studies_of_words"]
    assert [path.stem for path in NOTEBOOKS] == ["lens", "quickstart", *studies, "your_own_data"]
    for path in NOTEBOOKS:
        assert path.read_text().startswith("# %% [markdown]\n# # "), "a title first"
        assert "\n# %%\n" in path.read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_executed_notebooks_are_of_these_lines(path):
    """`make notebooks` was run after the last change, and every cell ended well."""
    cells = json.loads(path.with_suffix(".ipynb").read_text())["cells"]
    written = re.split(r"^# %%.*\n", path.read_text(), flags=re.MULTILINE)[1:]
    shown = [re.sub(r"^# ", "", cell, flags=re.MULTILINE) if cell.startswith("# ") else cell for cell in written]
    assert ["".join(cell["source"]) for cell in cells] == [cell.strip("\n") for cell in shown]
    assert [(cell["id"], cell["metadata"]) for cell in cells] == [(f"cell-{n}", {}) for n in range(len(cells))]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for cell in code for output in cell["outputs"]} == {"stream"}
    assert {output["name"] for cell in code for output in cell["outputs"]} == {"stdout"}, "no warning"


def test_an_example_that_is_run_again_gives_the_same_bytes(tmp_path):
    """Though it prints at another pace; where `make notebooks` was run once, for the tools are its own."""
    pytest.importorskip("nbclient")
    path = tmp_path / "slow.py"
    path.write_text(
        "# %% [markdown]\n# # Slow\n\n# %%\nimport os, time\n"
        "for number in range(3):\n    print(number)\n    time.sleep(float(os.environ['PAUSE']))\n"
    )
    made = []
    for pause in ("0", "0.5"):  # a kernel sends what is printed every 0.2 s
        words = [sys.executable, str(ROOT / "scripts" / "notebooks.py"), str(path)]
        subprocess.run(words, env=os.environ | {"PAUSE": pause}, capture_output=True, check=True, timeout=120)
        made.append(path.with_suffix(".ipynb").read_bytes())
    assert made[0] == made[1]
    assert json.loads(made[0])["cells"][1]["outputs"][0]["text"] == ["0\n", "1\n", "2\n"]


@pytest.fixture
def run(cache):
    def run(name):
        environment = os.environ | {"VOCABSEM_HOME": str(cache.parent)}
        words = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(ROOT / "examples" / f"{name}.py")]
        done = subprocess.run(
            words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_quickstart(run):
    output = run("quickstart")
    positive = {text: float(share) for share, text in re.findall(r"([\d.]+) positive: (.*)", output)}
    assert min(positive["a gorgeous, witty movie"], positive["I loved every minute"]) > 0.5
    assert max(positive["dull from start to end"], positive["a waste of two hours"]) < 0.5


@pytest.mark.slow
def test_your_own_data(run):
    output = run("your_own_data")
    assert "reviews, smollm2-135m-instruct" in output
    assert re.search(r"vocabulary_calibrator +0\.\d+", output)
    assert "vocabsem-reviews@champion" in output
    assert {"complaint", "praise"} <= set(output.split())


@pytest.mark.slow
def test_lens(run):
    output = run("lens")
    assert len(re.findall(r"^layer +\d+:", output, re.MULTILINE)) == 11
    assert " Paris" in output.partition("nearest anchors:")[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["texts", "tokens", "words"])
def test_studies_print_values_above_and_inside_their_nulls(run, name):
    output = run(f"studies_of_{name}")
    began = time.monotonic()
    assert run(f"studies_of_{name}") == output, "the studies are in the home"
    assert time.monotonic() - began < 120
    studies = re.findall(r'study\("(\w+)"', (ROOT / "examples" / f"studies_of_{name}.py").read_text())
    assert len(studies) >= 3
    assert output.count("beside_null") >= len(studies)
    assert {"above", "inside"} <= set(output.split())
