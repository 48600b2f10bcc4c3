"""Answers of each kind of labels in the layout of lm-evaluation-harness: options with their scores, or a text.

A class is chosen among options, as in its tasks of `multiple_choice`. A set of labels and a number are answered with a
text, as in `generate_until`: the names of the labels, in their order and with commas between, or the number.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.views.recorded_run import Predictions, Row
from vocabsem.datasets.label_values import Labels, is_continuous, label_text
from vocabsem.evaluation.continuous_metrics import evaluate_continuous
from vocabsem.evaluation.metrics import EPSILON, evaluate
from vocabsem.evaluation.multilabel_metrics import evaluate_multilabel

FILTER = "none"  # the harness's name for responses as they are
UNTIL = {"until": ["\n"]}
LOWER = ("mae", "rmse")  # is better


@dataclass(frozen=True)
class Form:
    """How a kind of labels is answered and measured."""

    output_type: str
    metrics: Mapping[str, str]
    """Name in the harness → name here."""
    of_samples: str
    """The metric that is a mean over the samples, each of which has its own."""
    measure: Callable[[Labels, Any, Any], Mapping[str, float]]
    """Of labels, probabilities and what is predicted, as `Predictions` has them: all metrics, by their names here."""
    each: Callable[[Labels, Any, Any], NDArray[Any]]
    """Of the same: (N,), `of_samples` of each."""

    @property
    def asks_for_text(self) -> bool:
        """Whether the answer is a text, not one of several options."""
        return self.output_type == "generate_until"

    def values(self, labels: Labels, answers: Predictions) -> NDArray[Any]:
        """Return `of_samples` of each sample (N,)."""
        return self.each(labels, answers.probabilities, answers.predicted)

    def results(self, labels: Labels, answers: Predictions) -> Row:
        """Return the entries of a task: metrics, and of the mean over samples its standard error."""
        scores = self.measure(labels, answers.probabilities, answers.predicted)
        values = self.values(labels, answers)
        results: Row = {f"{name},{FILTER}": _finite(scores[ours]) for name, ours in self.metrics.items()}
        error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else "N/A"
        return results | {f"{n}_stderr,{FILTER}": error if n == self.of_samples else "N/A" for n in self.metrics}

    def config(self, names: Sequence[str]) -> Row:
        """Return what a task's configuration says of answers. names: `doc_to_choice`, if it has options."""
        return {
            **({"generation_kwargs": UNTIL} if self.asks_for_text else {"doc_to_choice": names}),
            "target_delimiter": " ",
            "output_type": self.output_type,
            "metric_list": [
                {"metric": n, "aggregation": "mean" if n == self.of_samples else n, "higher_is_better": n not in LOWER}
                for n in self.metrics
            ],
        }


def _of_classes(metrics: Mapping[str, str]) -> Form:
    return Form(
        "multiple_choice",
        metrics,
        "acc",
        lambda labels, probabilities, _: evaluate(labels, probabilities),
        lambda labels, probabilities, _: (probabilities.argmax(1) == labels).astype(float),
    )


CLASSES = _of_classes({"acc": "accuracy", "macro_f1": "macro_f1"})
OPTIONS = _of_classes({"acc": "accuracy"})
SETS = Form(
    "generate_until",
    {"exact_match": "accuracy", "macro_f1": "macro_f1", "micro_f1": "micro_f1"},
    "exact_match",
    evaluate_multilabel,
    lambda labels, _, predicted: (predicted == labels).all(axis=1).astype(float),
)
NUMBERS = Form(
    "generate_until",
    {name: name for name in ("mae", "rmse", "r2", "spearman")},
    "mae",
    lambda labels, _, predicted: evaluate_continuous(labels, predicted),
    lambda labels, _, predicted: np.abs(predicted - labels),
)


def form_of(labels: Labels, options: bool) -> Form:
    """Return the form of a data set. options: whether its rows have options of their own."""
    if is_continuous(labels):
        return NUMBERS
    if labels.ndim == 2:
        return SETS
    return OPTIONS if options else CLASSES


def sample(
    form: Form,
    number: int,
    doc: Row,
    prompt: str,
    target: str,
    requests: Sequence[Any],
    answers: Sequence[Any],
    value: float,
) -> Row:
    """Return a sample. requests: what follows the prompt, or how the model is to go on; answers: one to each."""
    return {
        "doc_id": number,
        "doc": doc,
        "target": target,
        "arguments": {f"gen_args_{i}": {"arg_0": prompt, "arg_1": each} for i, each in enumerate(requests)},
        "resps": [[answer] for answer in answers],
        "filtered_resps": list(answers),
        "filter": FILTER,
        "metrics": [form.of_samples],
        "doc_hash": sha256_of(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": sha256_of(prompt),
        "target_hash": sha256_of(target),
        form.of_samples: value,
    }


def scored_options(probabilities: NDArray[np.float32], options: int) -> list[list[str]]:
    """Return the log-probability of each option, and whether it is chosen."""
    chosen = int(probabilities.argmax())
    logs = [math.log(max(float(each), EPSILON)) for each in probabilities[:options]]
    return [[str(log), str(index == chosen)] for index, log in enumerate(logs)]


def in_words(names: Sequence[str], labels: Labels) -> list[str]:
    """Return the text of each answer or target: a number in full, or the names of the labels."""
    return [str(each) if isinstance(each, float) else label_text(names, each) for each in _rows(labels)]


def _rows(labels: Labels) -> list[Any]:
    return labels.tolist() if is_continuous(labels) else list(labels)


def _finite(value: float) -> float | str:
    return float(value) if math.isfinite(value) else "N/A"


def sha256_of(text: str) -> str:
    """Return the hash of a text, as the harness computes it."""
    return hashlib.sha256(text.encode()).hexdigest()
