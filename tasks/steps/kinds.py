"""Every kind of partition, and the spec of a published one."""

from tasks.steps.spec import Spec
from tasks.steps.specs import (
    AdapterFitSpec,
    AnchorsSpec,
    ComparisonsSpec,
    DemonstrationsSpec,
    DiagnosticsSpec,
    ExamplesSpec,
    FitSpec,
    MetricsSpec,
    RunSpec,
    StatesFitSpec,
    StatesSpec,
)
from warehouse.lake.manifest import Manifest

KINDS = (
    ExamplesSpec,
    AnchorsSpec,
    DemonstrationsSpec,
    StatesSpec,
    FitSpec,
    MetricsSpec,
    ComparisonsSpec,
    DiagnosticsSpec,
    RunSpec,
)


def spec_of(manifest: Manifest) -> Spec:
    """Return the spec of a published partition. Raises ValidationError for one of a version with other fields."""
    spec: type[Spec] = {each.kind: each for each in KINDS}[manifest.kind]
    if spec is FitSpec:
        spec = AdapterFitSpec if "digest" in manifest.payload else StatesFitSpec
    return spec.parse(manifest.payload)
