"""What no other test runs, benchmarks, scripts and examples, imports names that exist."""

import ast
from importlib import import_module

import pytest

from tests.conftest import ROOT

FOLDERS = ("benchmarks", "scripts", "examples")
OURS = ("benchmarks", "flows", "scripts", "tasks", "tests", "vocabsem", "warehouse")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imported_names_exist(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module and node.module.partition(".")[0] in OURS:
            module = import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name) or import_module(f"{node.module}.{name.name}"), name.name
