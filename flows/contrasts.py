"""Which methods of an experiment are set against which: every rival against ours, anchors against their stand-ins."""

from collections.abc import Sequence
from inspect import signature
from itertools import combinations

from flows.experiment import MethodSpec
from tasks.steps import RIVAL

REFERENCE = "vocabulary_calibrator"
STAND_INS = ("anchors", "head", "random")

Contrast = tuple[str, str, str]


def contrasts(specs: Sequence[MethodSpec]) -> list[Contrast]:
    """(question, method, reference) by the methods' names in tables.

    `rival`: every method against the first entry of our calibrator that has its default targets, if there is one.
    `anchors over random`, `anchors over head`, `head over random`: the same entry but for its targets.
    """
    ours = next((s for s in specs if s.method == REFERENCE and _targets(s) == _default(s.method)), None)
    found = [(RIVAL, spec.name, ours.name) for spec in specs if ours and spec is not ours]
    variants: dict[str, dict[str, str]] = {}
    for spec in specs:
        if targets := _targets(spec):
            variants.setdefault(_but_for_targets(spec), {}).setdefault(targets, spec.name)
    for names in variants.values():
        found += [
            (f"{one} over {other}", names[one], names[other])
            for one, other in combinations(STAND_INS, 2)
            if one in names and other in names
        ]
    return found


def _default(method: str) -> str | None:
    from vocabsem.methods import METHODS

    parameter = signature(METHODS[method]).parameters.get("targets")
    return None if parameter is None else str(parameter.default)


def _targets(spec: MethodSpec) -> str | None:
    """What stands in the anchors' place; None for a method that has no such choice."""
    return spec.params.get("targets", _default(spec.method))


def _but_for_targets(spec: MethodSpec) -> str:
    params = {name: value for name, value in spec.params.items() if name != "targets"}
    return spec.model_copy(update={"params": params, "label": "", "control": False}).model_dump_json()
