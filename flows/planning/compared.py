"""The steps that compare the methods of an experiment with each other."""

from flows.planning.contrasts import contrasts
from flows.planning.experiment import MethodSpec
from tasks.steps.contrast import Contrast
from tasks.steps.result_specs import ComparisonsSpec
from tasks.steps.step import PlannedFit, Step


def compared_steps(methods: list[MethodSpec], fits: list[PlannedFit]) -> list[Step[ComparisonsSpec]]:
    """Return the step of each number of shots at which there is something to compare."""
    steps = []
    for shots in dict.fromkeys(fit.shots for fit in fits):
        at = {fit.name: fit for fit in fits if fit.shots == shots}
        choices = next(iter(at.values())).dataset.choices is not None
        of = contrasts([spec for spec in methods if spec.name in at], choices=choices)
        pairs = [Contrast(*each) for each in of]
        named = {name for each in pairs for name in (each.method, each.reference)}
        if pairs:
            where = next(iter(at.values())).predictions.spec
            spec = ComparisonsSpec(
                model=where.model,
                dataset=where.dataset,
                shots=str(shots),
                predictions={name: fit.predictions.key for name, fit in at.items() if name in named},
                contrasts=tuple(pairs),
                choices=choices,
            )
            steps.append(Step(spec))
    return steps
