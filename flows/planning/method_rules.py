"""What a method of an experiment card needs: its parameters checked, its shots and seeds, the states it reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vocabsem.errors import CardError
from vocabsem.methods.registry import Schedule, check_params, declared

if TYPE_CHECKING:
    from flows.planning.experiment import Experiment, MethodSpec

TUNED = ("lora", "ia3")  # they change the model: fitted on prompts, not on states
Shots = int | str


def check(spec: "MethodSpec") -> None:
    """Raises CardError on an unknown method, parameter or value, with the nearest known name."""
    if spec.order and not spec.demonstrations:
        raise CardError(f"method {spec.name} has an order, but no demonstrations to put into it: set 'demonstrations'")
    if spec.method not in TUNED:
        check_params(spec.method, spec.params)
        if spec.label_noise and not declared()[spec.method].needs_labels:
            raise CardError(f"method {spec.name} has label_noise, but {spec.method} learns from no labels")
        return
    Schedule.of(spec.method, spec.params)
    if spec.demonstrations:
        raise CardError(f"method {spec.name} has demonstrations: {spec.method} is trained on prompts without them")


def shots_of(experiment: "Experiment", spec: "MethodSpec") -> list[Shots]:
    """At which numbers of shots it is fitted: without labels at 0, with them above; some methods at both.

    Demonstrations are labeled examples too: without further labels a method has as many shots as it shows, and one
    that learns from labels shows the first of its shots and learns from the others. As many as fit are chosen among
    all: such a method stands beside those that saw every label.
    """
    shots: Sequence[Shots] = experiment.shots if spec.shots is None else spec.shots
    if spec.label_noise:
        shots = [n for n in shots if n != 0]
    if spec.method in TUNED:
        return [n for n in shots if n != 0]
    kind, shown = declared()[spec.method], spec.demonstrations
    if shown is None:
        return [n for n in shots if (kind.needs_labels if n else not kind.needs_labels or kind.works_without_labels)]
    if not kind.needs_labels:
        return ["all" if shown == "fit" else shown]
    return [n for n in shots if n == "all" or (isinstance(n, int) and isinstance(shown, int) and n > shown)]


def seeds_of(experiment: "Experiment", spec: "MethodSpec", shots: Shots) -> list[int]:
    """All seeds where one matters: it draws shots, demonstrations, noise, weights, and random stand-ins for anchors."""
    random = spec.params.get("targets") == "random"
    matters = spec.method in TUNED or bool(spec.demonstrations) or bool(spec.label_noise) or random
    matters = matters or shots not in (0, "all") or (declared()[spec.method].trains and shots != 0)
    return experiment.seeds[: spec.seeds] if matters else experiment.seeds[:1]


def splits_of(spec: "MethodSpec", evaluated: Sequence[str]) -> list[str]:
    """Which splits' states it reads, besides those it is evaluated on: training rows, or prompts about nothing."""
    kind = declared()[spec.method]
    wanted = ["train"] if kind.needs_labels or kind.background == "train" else []
    return [*wanted, *([kind.background] if kind.background in ("content_free", "domain_words") else []), *evaluated]
