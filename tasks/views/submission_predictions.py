"""The labels and predictions of a submission as arrays, as `resample` takes them."""

from base64 import b64decode

import numpy as np

from tasks.views.submission_schema import DatasetIdentity, Unit
from vocabsem.errors import DataError
from vocabsem.label_kinds import LabelKind


def decode_probabilities(unit: Unit, dataset: DatasetIdentity, kind: LabelKind) -> np.ndarray:
    """Return the probabilities (N, C) of a seed; of any number of labels (N, L, 2), with whether each is predicted; of
    numbers those predicted (N,).

    Raises DataError for a text of another length, or none of Base64, and for labels that are predicted at a lower
    probability than they are not: what decides is one threshold a label.
    """
    rows, labels = len(dataset.hashes), len(dataset.classes)
    if kind == "continuous":
        return _decoded(unit.values or "", rows * 8, f"{rows} numbers of 64 bits").view("<f8")
    probabilities = _decoded(unit.probabilities, rows * labels * 4, f"{rows} × {labels} numbers of 32 bits")
    values = probabilities.view("<f4").reshape(rows, labels)
    if kind != "multi":
        return values
    bits = _decoded(unit.predicted or "", -(-rows * labels // 8), f"{rows} × {labels} bits")
    predicted = np.unpackbits(bits, count=rows * labels).reshape(rows, labels).astype(bool)
    least = np.where(predicted, values, np.inf).min(axis=0)
    highest = np.where(predicted, -np.inf, values).max(axis=0)
    if (crossed := highest > least).any():
        name = dataset.classes[int(crossed.argmax())]
        raise DataError(f"label {name!r} is predicted at a lower probability than another text lacks it at")
    return np.stack([values, predicted], axis=-1)


def true_labels(dataset: DatasetIdentity, kind: LabelKind) -> list[int] | np.ndarray:
    """Return the class (N,), the labels (N, L) or the number (N,) of each example. Raises what `indicator` raises."""
    if kind == "multi":
        return indicator(dataset)
    return np.array(dataset.label_values or (), float) if kind == "continuous" else dataset.labels


def indicator(dataset: DatasetIdentity) -> np.ndarray:
    """Return whether each example has each label (N, L). Raises DataError for labels that there are not, or twice."""
    sets = dataset.label_sets or []
    table = np.zeros((len(sets), len(dataset.classes)), np.int64)
    for row, mine in enumerate(sets):
        if len(set(mine)) < len(mine) or max(mine, default=0) >= len(dataset.classes):
            raise DataError(f"example {row} has the labels {mine}: expected some of 0 to {len(dataset.classes) - 1}")
        table[row, mine] = 1
    return table


def _decoded(text: str, size: int, what: str) -> np.ndarray:
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise DataError(f"no Base64 of {what} ({error})") from None
    if len(data) != size:
        raise DataError(f"no Base64 of {what} ({len(data)} bytes, not {size})")
    return np.frombuffer(data, np.uint8)
