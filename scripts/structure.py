"""The structure of a checkout in figures: `python scripts/structure.py [CHECKOUT]` prints them.

Read with `ast` alone: nothing is imported. An import counts wherever it stands, also in a function and under
`TYPE_CHECKING`. A folder is a package; the files directly in it are its own, those of a folder inside it are not.
"""

import ast
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("flows", "tasks", "vocabsem", "warehouse")
LONGEST = 300  # lines of a file
DECORATORS = {"flows": {"flow", "stage"}, "tasks": {"task", "step_task"}}

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Structure:
    """What a checkout consists of."""

    lines: Mapping[str, int]  # module → lines
    folder: Mapping[str, str]  # module → folder that it lies in
    modules: Graph  # module → modules that it imports
    folders: Graph  # folder → folders that it imports
    decorated: Mapping[str, list[str]]  # module of flows or tasks → its functions that are flows or tasks

    @property
    def long(self) -> list[str]:
        """Modules of more than 300 lines."""
        return sorted(module for module, lines in self.lines.items() if lines > LONGEST)


def measure(root: Path) -> Structure:
    """Return the structure of the checkout at `root`."""
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in paths.items()}
    modules = {module: frozenset(_imports(tree, paths)) - {module} for module, tree in trees.items()}
    folder = {module: ".".join(path.relative_to(root).parent.parts) for module, path in paths.items()}
    folders = {
        name: frozenset(folder[other] for module in modules if folder[module] == name for other in modules[module])
        - {name}
        for name in sorted(set(folder.values()))
    }
    lines = {module: path.read_text(encoding="utf-8").count("\n") for module, path in paths.items()}
    decorated = {
        module: decorated_functions(tree, DECORATORS[package])
        for module, tree in trees.items()
        if (package := module.split(".")[0]) in DECORATORS
    }
    return Structure(lines, folder, modules, folders, decorated)


def decorated_functions(tree: ast.Module, names: Container[str]) -> list[str]:
    """Return the functions of a module that carry one of the decorators."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).split("(")[0] in names
    ]


def _imports(tree: ast.Module, known: Iterable[str]) -> Iterator[str]:
    """Yield the known modules that a file imports: the module itself, else the package whose name is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield from [one for one in (name, name.rpartition(".")[0]) if one in known][:1]


def circles(graph: Graph) -> list[frozenset[str]]:
    """Return the groups of nodes that import each other, directly or over others."""
    reached = {node: _reached(graph, node) for node in graph}
    groups = {frozenset(other for other in reached[node] if node in reached[other]) for node in graph}
    return sorted((group for group in groups if len(group) > 1), key=sorted)


def _reached(graph: Graph, start: str) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        new = graph[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return seen


def longest_chain(graph: Graph) -> list[str]:
    """Return the longest chain of imports, importing node first; of a circle's nodes it holds one."""
    group = {node: min(circle) for circle in circles(graph) for node in circle}
    merged: dict[str, set[str]] = {}
    for node, imported in graph.items():
        head = group.get(node, node)
        merged.setdefault(head, set()).update({group.get(one, one) for one in imported} - {head})
    best: dict[str, list[str]] = {}

    def chain(node: str) -> list[str]:
        if node not in best:
            best[node] = [node, *max((chain(one) for one in sorted(merged[node])), key=len, default=[])]
        return best[node]

    return max((chain(node) for node in sorted(merged)), key=len, default=[])


def totals(structure: Structure) -> dict[str, int]:
    """Return one figure for each property of the whole."""
    folders, modules = structure.folders, structure.modules
    return {
        "files": len(structure.lines),
        "lines": sum(structure.lines.values()),
        "files in the largest folder": max(Counter(structure.folder.values()).values(), default=0),
        "files in flows/ that are no flow": _others(structure, "flows"),
        "files in tasks/ that are no task": _others(structure, "tasks"),
        "imports between modules": sum(map(len, modules.values())),
        "imports between folders": sum(map(len, folders.values())),
        "longest chain of modules": len(longest_chain(modules)),
        "longest chain of folders": len(longest_chain(folders)),
        "circles of modules": len(circles(modules)),
        "circles of folders": len(circles(folders)),
        f"files over {LONGEST} lines": len(structure.long),
    }


def _others(structure: Structure, package: str) -> int:
    """Count the files directly in a package that do not hold exactly one flow or task."""
    return sum(
        structure.folder[name] == package != name and len(functions) != 1
        for name, functions in structure.decorated.items()
    )


def report(structure: Structure) -> str:
    """Return the figures as text: a row for each folder, the totals, and the circles by name."""
    rows = [("folder", "files", "lines", "imports")]
    for folder, imported in structure.folders.items():
        own = [structure.lines[module] for module in structure.lines if structure.folder[module] == folder]
        rows.append((folder, str(len(own)), f"{sum(own):,}", ", ".join(sorted(imported))))
    width = max(len(row[0]) for row in rows)
    lines = [f"{folder:<{width}}  {files:>5}  {count:>6}  {names}".rstrip() for folder, files, count, names in rows]
    lines += ["", *(f"{name:<34}{value:>6,}" for name, value in totals(structure).items())]
    tied = [circle for graph in (structure.modules, structure.folders) for circle in circles(graph)]
    return "\n".join(lines + [f"circle: {', '.join(sorted(circle))}" for circle in tied])


if __name__ == "__main__":
    print(report(measure(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent))))  # noqa: T201
