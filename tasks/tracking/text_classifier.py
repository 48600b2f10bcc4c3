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
from vocabsem.errors import SourceError
from vocabsem.extraction import extract
from vocabsem.language_model import load_model
from vocabsem.methods.persistence import from_arrays
from vocabsem.prompting import encode_prompts


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

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # MLflow takes both forms
        """Classify N texts, with a column for each field of the template, to a frame of N rows.

        Columns: `label`, and under each class's name its probability. MLflow makes the frame of a list or a series.
        Texts go through the model in the shards of the experiment, so that the texts of a stored split, in their order,
        meet the same batches and get the same probabilities; in bfloat16 others differ by its rounding.
        Raises MlflowException, which a server answers with 400, for a missing or empty text.
        """
        fields = self._fields(model_input)
        with self.turn:
            probabilities = self._probabilities(fields)
        labels = self.config["labels"]
        frame = pd.DataFrame(probabilities, columns=labels)
        frame.insert(0, "label", [labels[index] for index in probabilities.argmax(axis=1)])
        return frame

    def _probabilities(self, fields: list[dict[str, str]]) -> np.ndarray:
        """Return the probabilities (N, C) of N texts."""
        settings = self.config["settings"]
        prompts = encode_prompts(
            self.model.tokenizer,
            self.config["template"],
            fields,
            max_tokens=settings["max_tokens"],
            prepend_bos=settings["prepend_bos"],
        )
        parts = []
        for start in range(0, len(prompts.token_ids), settings["shard_rows"]):
            shard = prompts.token_ids[start : start + settings["shard_rows"]]
            states = extract(self.model, shard, settings["layers"], pooling=settings["pooling"])
            parts.append(np.concatenate(list(states.values()), axis=1))  # (shard, k·d)
        columns = np.concatenate(parts)[:, -self.method.n_features_in_ :]  # a method of one layer reads the last
        return self.method.predict_proba(columns)

    def _fields(self, frame: pd.DataFrame) -> list[dict[str, str]]:
        names = self.config["fields"]
        frame = frame[names] if len(names) > 1 else frame.set_axis(names, axis=1)
        rows = [{name: row[name] for name in names} for row in frame.to_dict("records")]
        for number, row in enumerate(rows):
            for name, text in row.items():
                if not isinstance(text, str) or not text.strip():
                    raise MlflowException.invalid_parameter_value(f"row {number}: {name} is {text!r}: give a text")
        return rows

    def _cache(self) -> Path:
        """Return the folder of downloads of the named home; with none named, of the home that made the model."""
        home, made = os.environ.get("VOCABSEM_HOME"), Path(self.config["cache"])
        return made if home is None and made.is_dir() else Path(home or ".vocabsem").expanduser().absolute() / "cache"


mlflow.models.set_model(TextClassifier())
