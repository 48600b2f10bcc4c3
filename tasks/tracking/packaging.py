"""A fitted method as a classifier of texts that MLflow can store, register and serve."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.models.extensions import method_source
from tasks.steps.step import PlannedFit
from tasks.tracking.store import store
from vocabsem.cards.schema import DatasetCard
from vocabsem.checkpoints import model_digest
from vocabsem.errors import BadInput
from vocabsem.methods.extensions import requirement
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc import PyFuncModel

SCRIPT = Path(__file__).with_name("text_classifier.py")
LIBRARY = Path(__file__).parents[2] / "vocabsem"  # travels with the model: it is on no index
REQUIREMENTS = (
    *("mlflow", "torch", "transformers", "tokenizers", "accelerate", "gguf", "safetensors", "huggingface-hub"),
    *("scikit-learn", "scipy", "numpy", "pandas", "pydantic", "pyyaml", "rich", "filelock", "pip"),
)


@contextmanager
def packaged_classifier(home: Home, fit: PlannedFit, settings: Mapping[str, Any], calibrator: Path) -> Iterator[Path]:
    """All that turns a text into probabilities, but for the language model: in a folder that is gone after the block.

    settings: layers, pooling, dtype, max_tokens, prepend_bos and shard_rows of the states it was fitted on.
    """
    home.cache.mkdir(parents=True, exist_ok=True)
    config = {
        "model": fit.model.model_dump(mode="json"),
        "digest": model_digest(fit.model, home.cache),
        "cache": str(home.cache),
        "dataset": fit.dataset.name,
        "template": fit.dataset.template,
        "fields": list(fit.dataset.fields),
        "labels": fit.dataset.label_names,
        "settings": dict(settings),
        "method": fit.name,
        "requirement": requirement(fit.predictions.spec.method.name),
        "shots": str(fit.shots),
        "predictions": fit.predictions.key,
    }
    with tempfile.TemporaryDirectory(prefix="champion-", dir=home.cache, ignore_cleanup_errors=True) as made:
        folder = Path(made)
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        shutil.copyfile(calibrator, folder / "calibrator.safetensors")
        if source := method_source(home, fit.predictions.spec.method):
            shutil.copyfile(source, folder / "method.py")
        yield folder


def log_classifier(folder: Path, run_id: str, dataset: DatasetCard) -> "ModelInfo":
    """Log the folder as a model of the run. Call it inside `store`. Nothing is pickled."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in REQUIREMENTS]
    if offered := json.loads((folder / "config.json").read_text()).get("requirement"):
        requirements.append(offered)  # of the package that has the method
    fields = list(dataset.fields)
    signature = ModelSignature(
        # a column without a name takes lists and series as well as frames
        Schema([ColSpec("string", name) for name in fields] if len(fields) > 1 else [ColSpec("string")]),
        Schema([ColSpec("string", "label"), *(ColSpec("double", name) for name in dataset.label_names)]),
    )
    with mlflow.start_run(run_id), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*input example", UserWarning)  # the signature says it all
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="classifier",
            python_model=str(SCRIPT),
            artifacts={"classifier": str(folder)},
            code_paths=[str(LIBRARY)],
            signature=signature,
            pip_requirements=requirements,
        )
    return info


@dataclass(frozen=True)
class Registered:
    """A version of a registered model. `source` names its files for good; `config` is that of `packaged_classifier`."""

    name: str
    version: str
    source: str
    config: dict[str, Any]

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


def find_classifier(home: Home, model: str) -> Registered:
    """A registered model: `name@alias`, `name/version`, or `name` alone for its champion. Raises BadInput."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with store(home) as client:
        try:
            if "/" in model:
                found = client.get_model_version(*model.split("/", 1))
            else:
                name, _, alias = model.partition("@")
                found = client.get_model_version_by_alias(name, alias or "champion")
        except MlflowException:
            known = [f"{found.name}@{alias}" for found in client.search_registered_models() for alias in found.aliases]
            raise BadInput(
                f"no model {model!r} is registered in {home.root}: there are {', '.join(known) or 'none yet'};"
                " an experiment with 'champion: true' registers one for each data set"
            ) from None
        try:
            folder = Path(
                download_artifacts(f"models:/{found.name}/{found.version}")
            )  # where it lies: nothing is copied
            (config,) = folder.glob("artifacts/*/config.json")
        except (MlflowException, OSError, ValueError):
            raise BadInput(
                f"the files of {found.name}/{found.version} are gone from {home.artifacts}: put them back, or remove"
                " this version in MLflow and the run's folder in the lake, and run the experiment again"
            ) from None
    return Registered(found.name, str(found.version), found.source, json.loads(config.read_text()))


def load_classifier(home: Home, model: str) -> "PyFuncModel":
    """The classifier that `find_classifier` finds, with its language model. Raises BadInput."""
    found = find_classifier(home, model)
    with store(home):
        from mlflow.pyfunc import load_model

        return load_model(found.uri)
