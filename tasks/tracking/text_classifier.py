"""The classifier that MLflow stores with a champion: text in, label and probabilities out.

MLflow copies this file beside the weights and runs it when the model is loaded, so it imports nothing of this
project but `vocabsem`, which is copied too.
"""

import json
import os
import threading
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel
from safetensors import safe_open

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import DataError, SourceError
from vocabsem.extraction import extract
from vocabsem.language_model import load_model
from vocabsem.methods.persistence import from_arrays
from vocabsem.prompting import Prompts, encode_prompts, validate_row


class TextClassifier(PythonModel):
    """A language model and a fitted method, with the settings of the experiment that chose it."""

    def load_context(self, context: Any) -> None:
        """Load the calibrator of the model's folder and the language model it was fitted on, fetching it if need be.

        Raises SourceError if the language model has other bytes than it had then.
        """
        folder = Path(context.artifacts["classifier"])
        self.config = json.loads((folder / "config.json").read_text())
        self.turn = threading.Lock()  # a server answers in several threads, and a tokenizer serves one at a time
        with safe_open(folder / "calibrator.safetensors", framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
            source = folder / "method.py"  # of a method from beside a card
            estimator = json.loads(file.metadata()["estimator"])
            self.method = from_arrays(arrays, estimator, source if source.is_file() else None)
        card = ModelCard.model_validate(self.config["model"])
        self.model = load_model(card, self._cache(), dtype=self.config["settings"]["dtype"])
        if self.model.digest != self.config["digest"]:
            raise SourceError(
                f"{card.source} is not the model that the classifier of {self.config['dataset']!r} was fitted on:"
                f" its digest is {self.model.digest[:12]}, then {self.config['digest'][:12]}: run the experiment again"
            )

    def predict(  # type: ignore[override]  # MLflow takes all of its forms
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify N texts, with a column for each field of the template, to a frame of N rows.

        Columns: `label`, and under each class's name its probability. Other columns than the fields are ignored.
        params: `truncate`, whether a text over the limit of the experiment loses its end (the default) or is refused.
        Texts go through the model in the shards of the experiment, so that the texts of a stored split, in their order,
        meet the same batches and get the same probabilities; in bfloat16 others differ by its rounding.
        Raises MlflowException, which a server answers with 400, for a missing or empty text.
        """
        fields, labels = self.config["fields"], self.config["labels"]
        try:
            records = model_input[fields].to_dict("records")
            rows = [validate_row(row, fields, number) for number, row in zip(model_input.index, records, strict=True)]
            with self.turn:
                prompts = self._prompts(rows)
                if prompts.truncated.any() and not (params or {}).get("truncate", True):
                    number = model_input.index[int(prompts.truncated.argmax())]
                    limit = self.config["settings"]["max_tokens"]
                    raise DataError(f"row {number} is over {limit} tokens with its template: shorten it, or truncate")
                probabilities = self._probabilities(prompts)
        except DataError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        frame = pd.DataFrame(probabilities, columns=labels)
        frame.insert(0, "label", [labels[index] for index in probabilities.argmax(axis=1)])
        return frame

    def _prompts(self, rows: list[dict[str, str]]) -> Prompts:
        settings = self.config["settings"]
        return encode_prompts(
            self.model.tokenizer,
            self.config["template"],
            rows,
            max_tokens=settings["max_tokens"],
            prepend_bos=settings["prepend_bos"],
        )

    def _probabilities(self, prompts: Prompts) -> np.ndarray:
        """Return the probabilities (N, C) of N prompts."""
        settings = self.config["settings"]
        if not prompts.token_ids:
            return np.empty((0, len(self.config["labels"])))
        parts = []
        for start in range(0, len(prompts.token_ids), settings["shard_rows"]):
            shard = prompts.token_ids[start : start + settings["shard_rows"]]
            states = extract(self.model, shard, settings["layers"], pooling=settings["pooling"])
            parts.append(np.concatenate(list(states.values()), axis=1))  # (shard, k·d)
        columns = np.concatenate(parts)[:, -self.method.n_features_in_ :]  # a method of one layer reads the last
        return self.method.predict_proba(columns)

    def _cache(self) -> Path:
        """Return the folder of downloads of the named home; with none named, of the home that made the model."""
        home, made = os.environ.get("VOCABSEM_HOME"), Path(self.config["cache"])
        return made if home is None and made.is_dir() else Path(home or ".vocabsem").expanduser().absolute() / "cache"


mlflow.models.set_model(TextClassifier())
