"""Vocabulary-defined semantics (arXiv 2401.16184): what a frozen language model knows about a labeled task.

Tensors in, tensors out: no Prefect, no MLflow, no DuckDB, no file layout. What `__all__` names is imported when it is
first used, so that `import vocabsem` itself loads nothing.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "vocabulary.anchors": ("semantic_anchors",),
    "cards.loader": ("load_card",),
    "evaluation.comparison": ("paired_bootstrap",),
    "states.extraction": ("extract",),
    "models.language_model": ("load_model",),
    "methods": (
        *("AnchorSimilarity", "AutoVerbalizer", "BatchCalibration", "Centroid", "CLAP", "ContextualCalibration"),
        *("DomainCalibration", "EMDirichlet", "GaussianEM", "GDAPrior", "HeadTuning", "KernelSVC", "KNeighbors"),
        *("KnnPrompting", "LabelSpace", "LabelSpreading", "LinC", "LinearProbe", "LPPlusPlus", "MultiRidge"),
        *("OrdinalRidge", "PaperCalibrator", "PointwiseMutualInformation", "ProbeSelfTraining"),
        *("PrototypicalCalibration", "RandomFeatures", "RidgePrior", "RidgeProbe", "RidgeRegression"),
        *("RidgeSelfTraining", "StateOptimization", "TabICL", "TipAdapter", "TransCLIP", "UnseenClasses"),
        *("VocabularyCalibrator", "WhitenedCentroid", "ZeroShot"),
    ),
    "evaluation.metrics": ("evaluate",),
    "prompts.prompting": ("encode_prompts",),
    "evaluation.resampling": ("bootstrap",),
    "vocabulary.similarity": ("nearest_tokens",),
    "text_models.text_states": ("TextStates",),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def _version() -> str:
    """Return the installed version, or 0+unknown for a source checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vocabsem")
    except PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    return [*globals(), *__all__]
