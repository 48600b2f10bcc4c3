"""The public surface: pinned, complete, and loaded only when it is used."""

import subprocess
import sys

import pytest

import vocabsem
from vocabsem.methods import load_method, method_infos

METHODS = [load_method(name) for name, info in method_infos().items() if info.family == "states"]

SURFACE = """
AnchorSimilarity AutoVerbalizer BatchCalibration CLAP Centroid ContextualCalibration DomainCalibration EMDirichlet
GDAPrior GaussianEM HeadTuning KNeighbors KernelSVC KnnPrompting LPPlusPlus LabelSpace LabelSpreading LinC LinearProbe
MultiRidge OrdinalRidge PaperCalibrator PointwiseMutualInformation ProbeSelfTraining PrototypicalCalibration
RandomFeatures RidgePrior RidgeProbe RidgeRegression RidgeSelfTraining StateOptimization TabICL TextStates
TipAdapter TransCLIP UnseenClasses VocabularyCalibrator WhitenedCentroid ZeroShot bootstrap encode_prompts evaluate
extract load_card load_model nearest_tokens paired_bootstrap semantic_anchors
"""
HEAVY = {"torch", "transformers", "sklearn", "scipy", "numpy", "pandas", "prefect", "mlflow", "duckdb", "pyarrow"}


def test_the_surface_is_this():
    assert vocabsem.__all__ == SURFACE.split() == sorted(SURFACE.split())
    assert {method.__name__ for method in METHODS} <= set(vocabsem.__all__), "every method there is"
    assert set(vocabsem.__all__) <= set(dir(vocabsem))


@pytest.mark.parametrize("name", SURFACE.split())
def test_every_name_is_there_and_documented(name):
    assert getattr(vocabsem, name).__doc__ or name in METHODS


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="module 'vocabsem' has no attribute 'TextStatse'"):
        _ = vocabsem.TextStatse
    with pytest.raises(ImportError):
        from vocabsem import TextStatse  # noqa: F401


def test_the_version_is_the_installed_one_or_unknown(monkeypatch):
    from importlib import metadata

    assert vocabsem.__version__ == metadata.version("vocabsem")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert vocabsem.__version__ == "0+unknown"


def test_importing_the_package_loads_nothing():
    code = f"import sys, vocabsem; dir(vocabsem); print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
