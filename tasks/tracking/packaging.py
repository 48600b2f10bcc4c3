"""A fitted method as a classifier of texts that MLflow can store, register and serve."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.models.extensions import method_source
from tasks.steps.step import PlannedFit
from tasks.tracking.registered import find_classifier
from tasks.tracking.store import store
from vocabsem.cards.schema import DatasetCard
from vocabsem.families.templates import prompt_template
from vocabsem.installation import PACKAGE, SHIPPED
from vocabsem.methods.extensions import requirement
from vocabsem.models.checkpoints import model_digest
from vocabsem.runtime.third_party import muted
from vocabsem.text_models.text_classifier import answer_column
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc import PyFuncModel

SCRIPT = Path(__file__).with_name("text_classifier.py")
MODEL_CONFIG = {"device": "auto"}  # what `load_model` of MLflow may be given in place of these
REQUIREMENTS = (
    *("mlflow", "torch", "transformers", "tokenizers", "accelerate", "gguf", "safetensors", "huggingface-hub"),
    *("scikit-learn", "scipy", "numpy", "pandas", "pydantic", "pyyaml", "rich", "filelock", "pip"),
)


@contextmanager
def packaged_classifier(home: Home, fit: PlannedFit, settings: Mapping[str, Any], calibrator: Path) -> Iterator[Path]:
    """Yield a folder with all that a classifier of texts needs besides the language model; removed after the block.

    settings: layers, pooling, dtype, max_tokens, max_chunks, prepend_bos and shard_rows of the states it was fitted on;
    of exact scores `words`, the tokens of each label word, in place of layers and pooling.
    """
    home.cache.mkdir(parents=True, exist_ok=True)
    config = {
        "model": fit.model.model_dump(mode="json"),
        "digest": model_digest(fit.model, home.cache),
        "cache": str(home.cache),
        "dataset": fit.dataset.name,
        "template": prompt_template(fit.dataset.template, fit.model.family),
        "fields": list(fit.dataset.fields),
        "labels": fit.dataset.label_names,
        "label_kind": fit.dataset.label_kind,
        "settings": dict(settings),
        "method": fit.name,
        "requirement": requirement(fit.predictions.spec.method.name),
        "shots": str(fit.shots),
        "predictions": fit.predictions.key,
    }
    with tempfile.TemporaryDirectory(prefix="champion-", dir=home.cache, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        shutil.copyfile(calibrator, folder / "calibrator.safetensors")
        if source := method_source(home, fit.predictions.spec.method):
            shutil.copyfile(source, folder / "method.py")
        yield folder


def log_classifier(
    folder: Path, run_id: str, dataset: DatasetCard, example: Mapping[str, str] | None = None
) -> "ModelInfo":
    """Log the folder as a model of the run. Call it inside `store`. Nothing is pickled.

    example: fields of an example, to be stored as the model's input example.
    The run need not be MLflow's active one, which `mlflow.start_run` would finish at the end of its block.
    """
    import mlflow
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    requirements = [f"{package}=={version_of(package).partition('+')[0]}" for package in REQUIREMENTS]
    if offered := json.loads((folder / "config.json").read_text()).get("requirement"):
        requirements.append(offered)  # of the package that has the method
    answer = answer_column({"label_kind": dataset.label_kind})
    forms = {"label": ColSpec(DataType.string, answer), "labels": ColSpec(Array(DataType.string), answer)}
    predicted = forms.get(answer, ColSpec(DataType.double, answer))
    classes = [] if answer == "value" else dataset.label_names
    signature = ModelSignature(
        Schema([ColSpec("string", name) for name in dataset.fields]),
        Schema([predicted, *(ColSpec("double", name) for name in classes)]),
        ParamSchema([ParamSpec("truncate", "boolean", True)]),
    )

    class Unvalidated(Model):
        """A model whose input example is not tried out at once, for which the language model would be loaded."""

        def get_serving_input(self, path: str) -> str | None:
            return None

    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    model = client.create_logged_model(run.info.experiment_id, "classifier", run_id, params=run.data.params)
    with warnings.catch_warnings(), muted("mlflow.pyfunc"), tempfile.TemporaryDirectory() as temporary:
        warnings.filterwarnings("ignore", ".*input example", UserWarning)  # of a model without one
        warnings.filterwarnings("ignore", "Operation with range")  # how MLflow stores it
        library = Path(temporary, PACKAGE.name)  # travels with the model, of which the pipeline is no part
        shutil.copytree(PACKAGE, library, ignore=shutil.ignore_patterns(SHIPPED, "__pycache__"))
        info: ModelInfo = Unvalidated.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            model_id=model.model_id,
            python_model=str(SCRIPT),
            artifacts={"classifier": str(folder)},
            model_config=MODEL_CONFIG,
            code_paths=[str(library)],
            signature=signature,
            pip_requirements=requirements,
            input_example=pd.DataFrame([example]) if example else None,
        )
    return info


def load_classifier(home: Home, model: str, device: str = "auto") -> "PyFuncModel":
    """Load the classifier that `find_classifier` finds, with its language model: no code that is stored with it runs.

    device: of the language model, as cards have it. Raises BadInput.
    """
    stored = find_classifier(home, model)
    with store(home):
        from mlflow.models import Model
        from mlflow.pyfunc import PyFuncModel

        from tasks.tracking.text_classifier import TextClassifierModel

        classifier = TextClassifierModel()
        classifier.load(stored.classifier, device)
        return PyFuncModel(Model.load(str(stored.folder)), classifier)
