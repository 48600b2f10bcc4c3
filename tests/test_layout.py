"""The layout of the packages: which imports which, what a file holds and how long it is, what is never mentioned."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import duckdb
import pytest

from scripts.structure import DECORATORS, circles, decorated_functions, measure
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
# The folders of a package, uppermost first: each imports only those after it.
ORDER = {
    "flows": ("flows.cli", "flows.services", "flows", "flows.execution", "flows.reporting", "flows.planning"),
    "tasks": ("tasks.views", "tasks", "tasks.studies", "tasks.tracking", "tasks.models", "tasks.steps"),
    "warehouse": ("warehouse.catalog", "warehouse.lake", "warehouse"),
    "vocabsem": (
        *("vocabsem.text_models", "vocabsem.instruments", "vocabsem.evaluation", "vocabsem.methods"),
        *("vocabsem.methods._solvers", "vocabsem.vocabulary", "vocabsem.states", "vocabsem.datasets"),
        *("vocabsem.models", "vocabsem.sources", "vocabsem.cards", "vocabsem.families", "vocabsem.prompts"),
        *("vocabsem.runtime", "vocabsem"),
    ),
}
VERBS = "select|with|from|insert|update|delete|create|drop|alter|copy|set|pragma|attach|use"
STATEMENT = re.compile(rf"\s*({VERBS})\s", re.IGNORECASE)
INSIDE_FUNCTIONS = {
    "flows/cli/doctor.py": {"torch"},  # imported at use, to look at it
    "vocabsem/sources/arrow_rows.py": {"pyarrow"},  # and to read files of its formats
    "vocabsem/sources/tables.py": {"pyarrow"},
}
AT_IMPORT = {
    "flows/cli/app.py": ["app.add_typer(warehouse_app, name='warehouse')"],  # its own object
    "tasks/tracking/text_classifier.py": [
        "mlflow.models.set_model(TextClassifierModel())"
    ],  # MLflow's models from code
}
PICKLES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
SLOW = {"torch", "transformers", "datasets", "sklearn", "scipy"}
QUICK = (
    "vocabsem.cards.loader",
    "vocabsem.errors",
    "vocabsem.sources.fetching",
    "vocabsem.datasets.shots",
    "vocabsem.methods.registry",
)
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


def package(path):
    return path.relative_to(ROOT).parts[0]


@pytest.fixture(params=source(), ids=names)
def path(request):
    return request.param


def test_a_package_does_not_import_the_libraries_of_another(path):
    allowed = INSIDE_FUNCTIONS.get(names(path), set())
    for name, line in imports(path):
        head = name.split(".")[0]
        assert head not in FOREIGN[package(path)] - allowed, f"line {line}: {package(path)} imports {head}"
    assert not {name.split(".")[0] for name, _ in imports(path, top_only=True)} & allowed


def acts(node):
    """Whether a statement of a module does more than define: a call, a block, a change of another module's object."""
    if isinstance(node, ast.If):
        return not {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)} & {
            "TYPE_CHECKING",
            "__name__",
        }
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        changes = any(isinstance(target, ast.Subscript | ast.Attribute) for target in targets)
        return changes or bool(
            re.search(r"environ\.setdefault|\bchdir|\bsimplefilter|signal\.signal", ast.unparse(node))
        )
    is_definition = isinstance(
        node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    )
    return not is_definition and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def test_importing_a_module_has_no_side_effect(path):
    assert [ast.unparse(node) for node in tree(path).body if acts(node)] == AT_IMPORT.get(names(path), [])


def test_what_acts_is_recognized():
    code = "os.environ['A'] = 'b'\nsys.path.insert(0, '.')\nX = os.environ.setdefault('A', 'b')\nfor x in y: pass"
    assert all(map(acts, ast.parse(code).body))
    assert not any(map(acts, ast.parse("'text'\nimport os\nX = {}\nX: int = 3\nif TYPE_CHECKING: import re").body))


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
        if package(path) == "vocabsem":
            calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "pinv"]
            assert not calls, names(path)


STRUCTURE = measure(ROOT)


@pytest.mark.parametrize("of", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(of):
    """Neither in a function nor under TYPE_CHECKING."""
    for module, imported in STRUCTURE.modules.items():
        if module.split(".")[0] == of:
            assert {name.split(".")[0] for name in imported} <= MAY_IMPORT[of] | {of}, module


def test_modules_and_folders_import_in_no_circle():
    """Neither in a function nor under TYPE_CHECKING."""
    assert not circles(STRUCTURE.modules)
    assert not circles(STRUCTURE.folders)


@pytest.mark.parametrize("of", ORDER)
def test_folders_import_downwards(of):
    inside = {folder for folder in STRUCTURE.folders if folder.split(".")[0] == of}
    assert inside == set(ORDER[of])
    for index, folder in enumerate(ORDER[of]):
        above = STRUCTURE.folders[folder] & set(ORDER[of][:index])
        culprits = [
            f"{module} imports {name}"
            for module, names in STRUCTURE.modules.items()
            for name in names
            if STRUCTURE.folder[module] == folder and STRUCTURE.folder[name] in above
        ]
        assert not culprits


def test_solvers_are_private_to_the_methods():
    solvers = "vocabsem.methods._solvers"
    assert {folder for folder, names in STRUCTURE.folders.items() if solvers in names} <= {"vocabsem.methods"}


@pytest.mark.parametrize("of", ["flows", "tasks"])
def test_a_file_directly_in_flows_or_tasks_has_one_flow_or_task(of):
    for module, functions in STRUCTURE.decorated.items():
        if module.split(".")[0] == of != module:
            directly = STRUCTURE.folder[module] == of
            assert len(functions) == int(directly), f"{module}: {functions}"


def test_only_flows_and_tasks_have_flows_and_tasks():
    for path in source():
        others = [names for of, names in DECORATORS.items() if of != package(path)]
        assert not decorated_functions(tree(path), set().union(*others)), names(path)


def strings(path):
    """Strings of a file with their lines, docstrings aside; what is inserted into an f-string reads `x`."""
    inner, documented = set(), set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in node.values}
            yield "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values), node.lineno
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented.add(id(node.body[0].value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | documented:
            yield node.value, node.lineno


def is_statement(text):
    """Whether a text is a statement of SQL, by DuckDB's own parser."""
    if not STATEMENT.match(text):
        return False
    try:
        return bool(duckdb.extract_statements(text))
    except duckdb.Error:
        return False


def test_statements_are_recognized():
    assert is_statement("select * from runs")
    assert is_statement("from x")
    assert is_statement("attach 'x' as catalog (read_only)")
    assert is_statement("pragma journal_mode = wal")
    assert not is_statement("From the stored states, in closed form.")
    assert not is_statement("Create a card for a data set.")
    assert not is_statement("Use a card of your own.")


def test_every_statement_is_in_a_file_of_its_own():
    result = [
        f"{names(path)}:{line}: {text}" for path in source() for text, line in strings(path) if is_statement(text)
    ]
    assert not result


def test_the_views_of_the_lake_are_private_to_the_warehouse():
    for path in source():
        for text, line in strings(path):
            assert package(path) == "warehouse" or not re.search(r"(?<![.\w])lake\.[a-z]", text), (
                f"{names(path)}:{line}"
            )


def test_types_are_checked_strictly():
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert set(settings["files"]) >= set(MAY_IMPORT)


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
ROOTS = (("wor", "k"), ("roo", "t"), ("home", "/[a-z]+"), ("User", "s"), ("o", "pt"))
HOSTS = (("py" + "pi", "org"), ("python" + "hosted", "org"), ("deb.deb" + "ian", "org"))
MACHINES = "|".join(f"/{one}{two}/" for one, two in ROOTS)
INDEXES = "|".join(f"{one}[.]{two}" for one, two in HOSTS)


@pytest.mark.parametrize(("words", "what"), [(MACHINES, "the path of one machine"), (INDEXES, "an index of packages")])
def test_no_machine_and_no_index_is_mentioned(words, what):
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        result = re.search(words, text)
        assert not result, f"{names(path)} mentions {what}: {result.group()}"


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
    extras = project["optional-dependencies"].values()
    for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        wanted = Requirement(line)
        assert wanted.name.lower() in pinned, f"{wanted.name} has no pin in constraints.txt"
        assert wanted.specifier.contains(pinned[wanted.name.lower()]), line


def test_hooks_and_lint_run_the_same_tools():
    import yaml

    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"], "nothing is fetched"
    tools = {Path(hook["entry"].split()[0]).name for hook in hooks[0]["hooks"]}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    assert tools == set(re.findall(r"\$\(BIN\)/([\w-]+)", lint))
