"""What a manifest records of the software that made a partition."""

import platform
from functools import cache
from importlib.metadata import version

PACKAGES = ("vocabsem", "torch", "transformers", "peft", "tokenizers", "datasets", "pyarrow", "scikit-learn", "numpy")


@cache
def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}
