"""Functions of Python files, as trees."""

import ast
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from vocabsem.errors import DataError
from vocabsem.instruments.syntax_trees import Tree, parse_function

__all__ = ["read_functions"]


def read_functions(path: Path) -> list[Tree]:
    """Read the functions of Python files: those of ASCII, without docstring, comment, f-string or function inside.

    Parameters
    ----------
    path : Path
        A file, or a folder whose files are read in the order of their names.

    Returns
    -------
    list of Tree
        Each function once.

    Raises
    ------
    DataError
        Where there are none.
    """
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    trees = {tree.source: tree for file in files for source in _functions(file) if (tree := parse_function(source))}
    if not trees:
        raise DataError(f"{path} has no functions of Python that can be read: name a folder of .py files")
    return list(trees.values())


def _functions(file: Path) -> Iterator[str]:
    try:
        text = file.read_text(encoding="ascii")
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):  # not of this Python, or not ASCII
        return
    lines = list(StringIO(text))
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and not _left_out(node):
            first, last = lines[node.lineno - 1], lines[node.lineno : node.end_lineno]
            indent = first[: node.col_offset]
            if all(line.startswith(indent) or not line.strip() for line in last):
                yield "".join([first[len(indent) :], *(line.removeprefix(indent) for line in last)]).rstrip()


def _left_out(node: ast.FunctionDef) -> bool:
    inside = list(ast.walk(node))[1:]
    return ast.get_docstring(node) is not None or any(
        isinstance(each, ast.JoinedStr | ast.FunctionDef) for each in inside
    )
