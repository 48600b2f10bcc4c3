"""The labels and predictions of a submission as arrays, as `resample` takes them."""

from base64 import b64decode

import numpy as np

from tasks.views.submission_schema import DatasetIdentity, Unit
from vocabsem.errors import DataError


def decode_answers(unit: Unit, dataset: DatasetIdentity, *, several: bool) -> np.ndarray:
    """Return the probabilities (N, C) of a seed; of any number of labels (N, L, 2), with whether each is predicted.

    Raises DataError for a text of another length, or none of Base64, and for labels that are predicted at a lower
    probability than they are not: what decides is one threshold a label.
    """
    rows, labels = len(dataset.hashes), len(dataset.classes)
    probabilities = _decoded(unit.probabilities, rows * labels * 4, f"{rows} × {labels} numbers of 32 bits")
    values = probabilities.view("<f4").reshape(rows, labels)
    if not several:
        return values
    bits = _decoded(unit.predicted or "", -(-rows * labels // 8), f"{rows} × {labels} bits")
    predicted = np.unpackbits(bits, count=rows * labels).reshape(rows, labels).astype(bool)
    least = np.where(predicted, values, np.inf).min(axis=0)
    highest = np.where(predicted, -np.inf, values).max(axis=0)
    if (crossed := highest > least).any():
        name = dataset.classes[int(crossed.argmax())]
        raise DataError(f"label {name!r} is predicted at a lower probability than another text lacks it at")
    return np.stack([values, predicted], axis=-1)


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
