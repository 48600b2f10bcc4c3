"""What a method of an experiment card needs: at which shots and seeds it is fitted, and which states it reads."""

from collections.abc import Sequence

from flows.planning.experiment import Experiment, MethodSpec
from tasks.steps.specs import Shots
from vocabsem.methods.registry import method_info


def shots_of(experiment: Experiment, spec: MethodSpec) -> list[Shots]:
    """Return at which numbers of shots it is fitted: without labels at 0, with them above; some methods at both.

    Demonstrations are labeled examples too: without further labels a method has as many shots as it shows, and one
    that learns from labels shows the first of its shots and learns from the others. As many as fit are chosen among
    all: such a method stands beside those that saw every label.
    """
    shots: Sequence[Shots] = experiment.shots if spec.shots is None else spec.shots
    if spec.label_noise or spec.params.get("targets") == "none":
        shots = [n for n in shots if n != 0]
    kind, shown = method_info(spec.method), spec.demonstrations
    if shown is None:
        return [n for n in shots if (kind.needs_labels if n else not kind.needs_labels or kind.works_without_labels)]
    if not kind.needs_labels:
        return ["all" if shown == "fit" else shown]
    return [n for n in shots if n == "all" or (isinstance(n, int) and isinstance(shown, int) and n > shown)]


def seeds_of(experiment: Experiment, spec: MethodSpec, shots: Shots) -> list[int]:
    """Return all seeds where one matters: it draws shots, demonstrations, noise, weights, and random targets."""
    random = spec.params.get("targets") == "random"
    matters = bool(spec.demonstrations) or bool(spec.label_noise) or random
    matters = matters or shots not in (0, "all") or (method_info(spec.method).trains and shots != 0)
    return experiment.seeds[: spec.seeds] if matters else experiment.seeds[:1]


def splits_of(spec: MethodSpec, evaluated: Sequence[str]) -> list[str]:
    """Return which splits it reads, besides those it is evaluated on: training rows, or content-free prompts."""
    kind = method_info(spec.method)
    wanted = ["train"] if kind.needs_labels or kind.background == "train" else []
    return [*wanted, *([kind.background] if kind.background in ("content_free", "domain_words") else []), *evaluated]
