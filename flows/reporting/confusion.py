"""Draw a confusion matrix of any number of classes, whole at any width."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from flows.reporting.svg import CHARACTER, WIDTH
from flows.reporting.templating import render_template

MAX_NAMED = 6  # classes whose names stand beside the matrix, if they are short; others are numbered
MAX_NAME = 16  # characters
MAX_COUNTED = 12  # classes whose counts stand in the cells; of more, the most frequent confusions are listed
MAX_CONFUSIONS = 12
SPACE = 18  # units between two labels beside the matrix, at least
TITLE = 22  # units beside the labels
DIGIT = 6.2  # units of a digit


def confusion_matrix(alt: str, counts: np.ndarray, names: Sequence[str]) -> Markup:
    """Return a drawing of counts (C, C), a row for each true class, shaded by their shares of the row.

    Below it are the names of classes that are numbered, and of many classes the most frequent confusions.
    """
    total, size = counts.sum(axis=1, keepdims=True), len(names)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    named = size <= MAX_NAMED and max(map(len, names)) <= MAX_NAME
    labels = list(names) if named else [str(number) for number in range(1, size + 1)]
    left = TITLE + CHARACTER * max(map(len, labels))
    step = (WIDTH - left) / size
    counted = size <= MAX_COUNTED
    cells = [
        {
            "x": round(left + j * step, 2),
            "y": round(left + i * step, 2),
            "share": shares[i, j],
            "count": int(counts[i, j]),
            "title": f"{names[i]}, predicted {names[j]}: {counts[i, j]:,} ({shares[i, j]:.0%})",
            "tight": DIGIT * len(str(counts[i, j])) > step - 2,
        }
        for i, j in np.ndindex(counts.shape)
        if counted or counts[i, j]
    ]
    wrong = sorted((-int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j and counts[i, j])
    often = [] if counted else wrong[:MAX_CONFUSIONS]
    shown = range(0, size, max(1, int(np.ceil(SPACE / step))))
    page = render_template(
        "confusion.html",
        alt=alt,
        width=WIDTH,
        left=left,
        step=round(step, 2),
        cells=cells,
        counted=counted,
        labels=[(labels[index], round(min(left + (index + 0.5) * step + 4, WIDTH - 3), 2)) for index in shown],
        legend=[] if named else names,
        confusions=[(names[i], names[j], -count, shares[i, j]) for count, i, j in often],
    )
    return Markup(page)  # noqa: S704  # escaped in the template
