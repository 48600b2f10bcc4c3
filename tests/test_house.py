"""The plan of the house, held: which room knows which, how long a file may be, what is not imported or mentioned."""

import ast
import re
import subprocess
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAY_IMPORT = {
    "vocabsem": set(),
    "warehouse": set(),
    "tasks": {"vocabsem", "warehouse"},
    "flows": {"tasks", "vocabsem", "warehouse"},
}
FOREIGN = {
    "vocabsem": {"prefect", "mlflow", "duckdb", "pyarrow"},
    "warehouse": {"prefect", "mlflow", "torch", "transformers", "datasets", "sklearn"},
    "tasks": {"duckdb", "typer"},
    "flows": {"torch", "transformers", "duckdb", "mlflow"},
}
INSIDE_FUNCTIONS = {"flows/cli/doctor.py": {"torch"}}  # imported at use, to look at it
PICKLES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
SLOW = {"torch", "transformers", "datasets", "sklearn", "scipy"}
QUICK = ("vocabsem.cards.schema", "vocabsem.errors", "vocabsem.sources.fetching", "vocabsem.shots")
LONGEST = 300


@cache
def tracked(*patterns):
    """Files that git knows, or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def source():
    return [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in MAY_IMPORT]


def names(path):
    return str(path.relative_to(ROOT))


@cache
def tree(path):
    return ast.parse(path.read_text())


def imports(path, top_only=False):
    """Dotted names that a file imports, with their lines; `if TYPE_CHECKING:` aside."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in tree(path).body if top_only else ast.walk(tree(path)):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{names(path)}:{node.lineno}: name the package, not its distance"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room(path):
    return path.relative_to(ROOT).parts[0]


@pytest.fixture(params=source(), ids=names)
def path(request):
    return request.param


def test_a_room_knows_its_neighbors_only(path):
    for name, line in imports(path):
        head = name.split(".")[0]
        if head in MAY_IMPORT:
            assert head == room(path) or head in MAY_IMPORT[room(path)], f"line {line}: {room(path)} imports {name}"


def test_a_room_does_not_know_anothers_libraries(path):
    allowed = INSIDE_FUNCTIONS.get(names(path), set())
    for name, line in imports(path):
        head = name.split(".")[0]
        assert head not in FOREIGN[room(path)] - allowed, f"line {line}: {room(path)} imports {head}"
    assert not {name.split(".")[0] for name, _ in imports(path, top_only=True)} & allowed


def test_nothing_is_pickled(path):
    for name, line in imports(path):
        assert not set(name.split(".")) & PICKLES, f"line {line}: {name}"


def test_a_file_is_short_and_says_what_it_is(path):
    assert path.read_text().count("\n") <= LONGEST
    if path.read_text().strip():
        assert ast.get_docstring(tree(path)), "a file begins with its idea"


def test_no_pseudo_inverse_in_the_method():
    """It drops true directions of an ill-conditioned head; the anchors are solved from the Gram matrix."""
    for path in source():
        if room(path) == "vocabsem":
            calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "pinv"]
            assert not calls, names(path)


def test_modules_import_in_no_circle():
    modules = {names(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in source()}

    def known(name):
        """The module that an imported name is, or is in."""
        return name if name in modules else name.rpartition(".")[0]

    graph = {
        module: {known(name) for name, _ in imports(path)} & modules.keys() - {module}
        for module, path in modules.items()
        if path.name != "__init__.py"  # a package may gather what its modules offer
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", QUICK)
def test_cards_and_sources_are_read_without_the_slow_libraries(module):
    import sys

    code = f"import sys, {module}; print(*sorted({SLOW!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_there_are_as_many_lines_of_tests_as_of_source():
    assert lines(tracked("tests/*.py")) >= lines(source())


def lines(paths):
    return sum(path.read_text().count("\n") for path in paths)


# spelled in pieces, so that this file does not mention them
PLACES = (("wor", "k"), ("roo", "t"), ("home", "/[a-z]+"), ("User", "s"), ("o", "pt"))
HOSTS = (("py" + "pi", "org"), ("python" + "hosted", "org"), ("deb.deb" + "ian", "org"))
MACHINES = "|".join(f"/{one}{two}/" for one, two in PLACES)
INDEXES = "|".join(f"{one}[.]{two}" for one, two in HOSTS)


@pytest.mark.parametrize(("words", "what"), [(MACHINES, "the path of one machine"), (INDEXES, "an index of packages")])
def test_no_machine_and_no_index_is_mentioned(words, what):
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = re.search(words, text)
        assert not found, f"{names(path)} mentions {what}: {found.group()}"


def test_nothing_is_left_undone():
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X"))
    for path in tracked("*.py", "*.sql", "*.yaml", "*.sh", "*.md", "Makefile"):
        assert not re.search(rf"\b({marks})\b", path.read_text()), names(path)


def test_the_pins_are_inside_the_declared_ranges():
    import tomllib

    from packaging.requirements import Requirement

    pins = [
        Requirement(line.split("#")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    ]
    pinned = {pin.name.lower().replace("_", "-"): next(iter(pin.specifier)).version for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["dev"]
    for line in [*project["dependencies"], *extra]:
        wanted = Requirement(line)
        assert wanted.name.lower() in pinned, f"{wanted.name} has no pin in constraints.txt"
        assert wanted.specifier.contains(pinned[wanted.name.lower()]), line


def test_hooks_and_lint_run_the_same_tools():
    import yaml

    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"], "nothing is fetched"
    tools = {Path(hook["entry"].split()[0]).name for hook in hooks[0]["hooks"]}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    assert tools == set(re.findall(r"\$\(BIN\)/(\w+)", lint))
