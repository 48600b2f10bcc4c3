"""Two methods that are compared."""

from typing import NamedTuple

BASELINE = "rival"  # the question of a contrast with our calibrator, as keys have it; the catalog says `baseline`


class Contrast(NamedTuple):
    """Two methods, by their names in tables, and what their difference says: BASELINE, `anchors over random`, …"""

    question: str
    method: str
    reference: str
