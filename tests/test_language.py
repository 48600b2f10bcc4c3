"""The language of code and documents: words of scikit-learn, transformers, Prefect, DuckDB and MLflow.

Names are read with `ast` where they are defined, word by word; prose is what people read: docstrings, comments, strings
of the four packages, help texts, pages, SQL comments and templates.
"""

import ast
import io
import re
import tokenize

import pytest

from tests.conftest import ROOT
from tests.test_layout import tracked

# Names: what a reader of those libraries would have to look up, one word each.
NAMES = [
    "agrees", "alike", "asked", "beginning", "care", "course", "demonstrated", "depart", "departure", "doubt", "drawn",
    "echoes", "ending", "explained", "found", "freedoms", "guarded", "heard", "house", "judge", "judged",
    "licence", "likeness", "look", "looks", "mend", "mended", "mends", "narrate", "opened", "passing", "place",
    "places", "plane", "portrait", "portraits", "quicken", "recipe", "room", "rooms", "said", "scarce", "shortened",
    "slopes", "surest", "survey", "tell", "tells", "tether", "told", "trust", "trusts", "verdict", "verdicts", "watch",
    "watching", "widest", "withdraw",
]  # fmt: skip
LEARNED = ["centre_", "deviation_", "folds_", "intercepts_", "penalty_", "weights_"]  # scikit-learn: coef_, alpha_, …
PHRASES_IN_NAMES = [
    "at_once", "build_sets", "in_place_of", "one_ahead", "over_drawn", "own_logits", "side_by_side", "stand_ins",
    "with_noise", "written_classifier",
]  # fmt: skip

# Prose: the first column of the list of renames, and the words of a private dialect.
PROSE = [
    r"asked", r"boards", r"care for", r"departs?", r"echoe[sd]", r"go(?:es)? on from", r"goes on where", r"heard",
    r"licences?", r"mend(?:s|ed|ing)?", r"narrat\w+", r"number formats?", r"portraits?",
    r"own answers?", r"prompts about nothing", r"quicken\w*", r"said", r"scarce", r"shortened", r"surely", r"take_all",
    r"tells?", r"tether\w*", r"the house", r"the rooms?", r"told", r"verdicts?", r"vocabulary helps",
]  # fmt: skip
BANNED = re.compile(rf"\b(?:{'|'.join(PROSE)})\b", re.IGNORECASE)


DOC = ('"""', 'r"""')


def parts(name):
    """The words of an identifier: `load_classifierOf` → load, classifier, of."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def banned_in(name):
    flat = f"_{'_'.join(parts(name))}_"
    hits = [word for word in NAMES if word in parts(name)] + [one for one in PHRASES_IN_NAMES if f"_{one}_" in flat]
    return hits + [name] * (name in LEARNED)


def defined(tree):
    """Names that a module defines, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("test_"):  # a sentence
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


def prose(path):
    """What people read in a file, with its lines: of Python comments, docstrings and, outside the tests, strings."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from ((line, number) for number, line in enumerate(text.split("\n"), 1))
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name.replace("_", " "), node.lineno
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        string = token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        if token.type == tokenize.COMMENT or (string and ("tests" not in path.parts or token.string.startswith(DOC))):
            yield from ((line, token.start[0] + offset) for offset, line in enumerate(token.string.split("\n")))


FOLDERS = sorted({path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT})
EARLIER = ("licence", "shortened")  # as manifests of the version before have them; warehouse and facts read both
READ = ("*.py", "*.sql", "*.md", "*.html", "*.yaml", "*.toml", "Makefile", "constraints.txt")


def within(folder, *patterns):
    """Tracked files of a folder of the checkout, or with "." those directly in it; not this one."""
    for path in tracked(*patterns):
        parts = path.relative_to(ROOT).parts
        if (parts[0] if len(parts) > 1 else ".") == folder and path.name != "test_language.py":
            yield path, path.relative_to(ROOT)


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_are_the_fields_own(folder):
    hits = [
        f"{short}:{line}: {name}: {', '.join(words)}"
        for path, short in within(folder, "*.py")
        for name, line in [*defined(ast.parse(path.read_text())), (path.stem, 1)]
        if (words := banned_in(name))
    ]
    assert not hits, "\n".join(hits)


PACKAGES = ("vocabsem", "flows", "tasks", "warehouse")
INTERFACES = {"measure", "workers", "main"}  # which each module of a kind defines


def public(package, *kinds):
    """Modules by the public names that they define, without the commands, which are named as flows are."""
    modules = {}
    for path, short in within(package, "*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, kinds) and not node.name.startswith("_") and "cli" not in short.parts:
                modules.setdefault(node.name, set()).add(str(short))
    return modules


def test_a_public_class_has_a_name_of_its_own():
    modules = {}
    for package in PACKAGES:
        for name, where in public(package, ast.ClassDef).items():
            modules.setdefault(name, set()).update(where)
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_function_has_a_name_of_its_own_in_its_package(package):
    modules = public(package, ast.FunctionDef)
    assert {name: where for name, where in modules.items() if len(where) > 1 and name not in INTERFACES} == {}


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_prose_is_plain(folder):
    hits = [
        f"{short}:{line}: {', '.join(words)}: {text.strip()[:100]}"
        for path, short in within(folder, *READ)
        for text, line in prose(path)
        if (
            words := [
                word for word in BANNED.findall(text) if word not in EARLIER or folder not in ("warehouse", "tasks")
            ]
        )
    ]
    assert not hits, "\n".join(hits)


def test_words_are_matched_whole():
    assert banned_in("tell_champions") == ["tell"]
    assert banned_in("HTTPVerdict") == ["verdict"]
    assert banned_in("fit_side_by_side") == ["side_by_side"]
    assert banned_in("weights_") == ["weights_"]
    assert not banned_in("_weights")
    assert not banned_in("foundation_placement_intellect")
    assert BANNED.findall("Told, and the Mend of it: surely.") == ["Told", "Mend", "surely"]
    assert not BANNED.findall("Amend the intelligence of a household; a tail, a recommendation, an aside.")
