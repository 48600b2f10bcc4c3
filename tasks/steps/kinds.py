"""Every kind of partition, and the spec of a published one."""

from tasks.steps.facts import Published
from tasks.steps.result_specs import ComparisonsSpec, DiagnosticsSpec, MetricsSpec, RunSpec
from tasks.steps.spec import Spec
from tasks.steps.specs import (
    AdapterFitSpec,
    AnchorsSpec,
    DemonstrationsSpec,
    ExamplesSpec,
    FitSpec,
    HeadOutputsSpec,
    StatesFitSpec,
    StatesSpec,
    TextFitSpec,
    TokenStatesSpec,
    WordScoresFitSpec,
    WordScoresSpec,
)
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec

KINDS = (
    ExamplesSpec,
    AnchorsSpec,
    DemonstrationsSpec,
    StatesSpec,
    TokenStatesSpec,
    HeadOutputsSpec,
    WordScoresSpec,
    FitSpec,
    MetricsSpec,
    ComparisonsSpec,
    DiagnosticsSpec,
    RunSpec,
    StudyItemsSpec,
    StudyValuesSpec,
)


def spec_of(manifest: Published) -> Spec:
    """Return the spec of a published partition. Raises ValidationError for one of a version with other fields."""
    spec: type[Spec] = {each.kind: each for each in KINDS}[manifest.kind]
    if spec is FitSpec:
        of_texts = TextFitSpec if "examples" in manifest.payload["inputs"] else StatesFitSpec
        stored = WordScoresFitSpec if "scoring" in manifest.payload else of_texts
        spec = AdapterFitSpec if "digest" in manifest.payload else stored
    return spec.parse(manifest.payload)
