"""The library alone: what `pip install vocabsem` brings is all that its modules and its public names need."""

import json
import tomllib

import pytest

from tests.conftest import ROOT
from tests.install.environments import Environment
from tests.vocabsem.architectures import save
from vocabsem.installation import SHIPPED

pytestmark = pytest.mark.medium

REQUIRED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


@pytest.fixture(scope="module")
def library(wheel, tmp_path_factory):
    """The wheel with its required packages and no others."""
    environment = Environment(tmp_path_factory.mktemp("library")).link_packages(REQUIRED)
    return environment.install("--no-index", "--no-deps", wheel)


def test_every_module_is_imported(library):
    code = (
        "import importlib, json, pkgutil, vocabsem\n"
        "names = [m.name for m in pkgutil.walk_packages(vocabsem.__path__, 'vocabsem.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "for name in vocabsem.__all__: getattr(vocabsem, name)\n"
        "missing = [name for name in ('prefect', 'mlflow', 'duckdb', 'pyarrow', 'pandas', 'datasets', 'peft')"
        " if importlib.util.find_spec(name) is None]\n"
        "print(json.dumps([names, missing]))"
    )
    names, missing = json.loads(library.code(code))
    files = {path.relative_to(ROOT) for path in (ROOT / "vocabsem").rglob("*.py")}
    expected = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files} - {"vocabsem"}
    assert set(names) == expected
    assert not [name for name in names if SHIPPED in name]
    assert missing == ["prefect", "mlflow", "duckdb", "pyarrow", "pandas", "datasets", "peft"]


@pytest.mark.slow
def test_texts_become_probabilities(library):
    import yaml

    card = library.here / "tiny.yaml"
    card.write_text(yaml.safe_dump(save("llama", library.here / "tiny").model_dump(mode="json")))
    code = (
        "import json\n"
        "from vocabsem import TextStates, VocabularyCalibrator, load_card\n"
        "words = {'negative': 'bad', 'positive': 'positive'}\n"
        "reader = TextStates('tiny.yaml', 'review: {text} sentiment:', words, dtype='float32')\n"
        "states = reader.transform(['a good great film', 'a dull story'])\n"
        "method = VocabularyCalibrator(reader.label_space()).fit(states)\n"
        "print(json.dumps([method.predict_proba(states).sum(axis=1).tolist(), load_card('datasets', 'trec').name]))"
    )
    sums, name = json.loads(library.code(code).splitlines()[-1])
    assert sums == pytest.approx([1, 1], abs=1e-6)  # float32
    assert name == "trec"


def test_the_command_names_what_is_missing(library):
    done = library.vocabsem("plan", "quickstart")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: the command line needs prefect, mlflow, duckdb, which the library alone does not:"
        " pip install 'vocabsem[pipeline]'\n"
    )
