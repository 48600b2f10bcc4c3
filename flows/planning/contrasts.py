"""Which methods of an experiment are compared: every baseline with the reference, anchors with other vectors."""

from collections.abc import Sequence
from itertools import combinations

from flows.planning.experiment import MethodSpec
from tasks.steps.contrast import BASELINE
from vocabsem.methods.registry import method_infos

REFERENCE = "vocabulary_calibrator"
ORDER = ("both", "anchors", "head", "random", "none")  # of targets: the rest of it stands in for the first

Contrast = tuple[str, str, str]


def contrasts(specs: Sequence[MethodSpec], *, choices: bool = False) -> list[Contrast]:
    """Return (question, method, reference) by the methods' names in tables.

    BASELINE: every method against the `reference`, if there is one; where rows have options of their own (`choices`),
    which it does not serve, every scoring against the first of the card.
    `anchors over random`, `head over random`, …: two entries that differ in their targets alone.
    """
    ours = next(iter(specs), None) if choices else reference(specs)
    questions = [(BASELINE, spec.name, ours.name) for spec in specs if ours and spec is not ours]
    variants: dict[str, dict[str, str]] = {}
    for spec in specs:
        if targets := _targets(spec):
            variants.setdefault(_but_for_targets(spec), {}).setdefault(targets, spec.name)
    for names in variants.values():
        pairs = combinations(sorted(names, key=ORDER.index), 2)
        questions += [(f"{one} over {other}", names[one], names[other]) for one, other in pairs]
    return questions


def reference(specs: Sequence[MethodSpec]) -> MethodSpec | None:
    """Return the first entry of `vocabulary_calibrator` with its default targets."""
    return next((s for s in specs if s.method == REFERENCE and _targets(s) == _default(s.method)), None)


def _default(method: str) -> str | None:
    return method_infos()[method].params.get("targets") if method in method_infos() else None


def _targets(spec: MethodSpec) -> str | None:
    """Return the vectors used as targets; None for a method without this parameter."""
    return spec.params.get("targets", _default(spec.method))


def _but_for_targets(spec: MethodSpec) -> str:
    params = {name: value for name, value in spec.params.items() if name != "targets"}
    return spec.model_copy(update={"params": params, "label": "", "control": False, "shots": None}).model_dump_json()
