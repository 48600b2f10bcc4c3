"""Two methods that are compared."""

from typing import NamedTuple

BASELINE = "rival"  # the question of a contrast with our calibrator


class Contrast(NamedTuple):
    """Two methods, by their names in tables, and what their difference says: `rival`, `anchors over random`, …"""

    question: str
    method: str
    reference: str
