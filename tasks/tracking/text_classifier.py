"""The classifier that MLflow stores with a champion: text in, label or labels and probabilities out, or a number.

MLflow copies this file beside the weights and runs it when the model is loaded, so it imports nothing of this
project but `vocabsem`, which is copied too.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel

from vocabsem.errors import DataError
from vocabsem.text_models.text_classifier import TextClassifier


class TextClassifierModel(PythonModel):
    """A `TextClassifier` in the form of MLflow."""

    def load_context(self, context: Any) -> None:
        """Load the classifier of the model's folder, and the language model it was fitted on, fetching it if need be.

        `model_config={"device": "offload:8GB"}` of MLflow's `load_model` names the device of the language model.
        Raises SourceError if the language model has other bytes than it had then.
        """
        self.load(Path(context.artifacts["classifier"]), (context.model_config or {}).get("device", "auto"))

    def load(self, folder: Path, device: str = "auto") -> None:
        """Load the classifier of a folder, its language model on a device, as `TextClassifier` takes it."""
        self.classifier = TextClassifier(folder, device)
        self.config = self.classifier.config

    def predict(  # type: ignore[override]  # MLflow takes all of its forms
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify N texts, with a column for each field of the template, to a frame of N rows.

        Columns: `label`, or `labels`, a list, where a text has any number of them, and under each class's name its
        probability; `value` alone where texts have numbers. Other columns than the fields are ignored.
        params: `truncate`, whether a text over the limit of the experiment loses its end (the default) or is refused.
        Raises MlflowException, which a server answers with 400, for a missing or empty text.
        """
        try:
            records: Any = model_input[self.classifier.fields].to_dict("records")
            truncate = (params or {}).get("truncate", True)
            return pd.DataFrame(self.classifier.predict(records, list(model_input.index), truncate=truncate))
        except DataError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None


mlflow.models.set_model(TextClassifierModel())
