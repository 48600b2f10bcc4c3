"""Docstrings of the public names against their signatures, in numpydoc's sections; their examples are run."""

import ast
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
from dataclasses import is_dataclass

import pytest
from pydantic import BaseModel

import vocabsem
from tests.conftest import ROOT

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(vocabsem.__path__, "vocabsem.") if "._" not in module.name
)


def public():
    """Classes and functions that a public module lists in `__all__` and defines, by their dotted names."""
    for name in MODULES:
        module = importlib.import_module(name)
        for listed in getattr(module, "__all__", ()):
            value = inspect.getattr_static(module, listed, None)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name:
                yield f"{name}.{listed}", value


@pytest.mark.parametrize("name", MODULES)
def test_all_lists_every_public_class_and_function(name):
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        return  # a package
    defined = {
        listed
        for listed, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name and listed[0] != "_"
    }
    assert defined <= set(module.__all__) <= set(vars(module))


PUBLIC = dict(public())
ON_API_PAGES = {
    module
    for page in (ROOT / "docs" / "api").glob("*.md")
    for module in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
}
DESCRIBED = [name for name in PUBLIC if name.rpartition(".")[0] in ON_API_PAGES]
FRONT = {name: getattr(vocabsem, name, None) for name in vocabsem.__all__}


def section(value, title):
    """The names that a section of a docstring documents; None without the section."""
    text = inspect.cleandoc(value.__doc__ or "")
    body = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n---|\Z)", text, re.MULTILINE | re.DOTALL)
    if body is None:
        return None
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: ?:.*)?$", body[1], re.MULTILINE)
    return [name.strip(" *") for head in heads for name in head.split(",")]


def described_fields(value):
    """Fields of a class that are followed by a string of their own."""
    body = ast.parse(inspect.getsource(value)).body[0].body
    return [
        field.target.id
        for field, after in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    ]


def parameters(value):
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_are_documented_as_they_are(name):
    value = PUBLIC[name]
    assert value.__doc__
    if inspect.isclass(value) and issubclass(value, BaseException | BaseModel):
        return  # errors say what happened; pydantic's fields carry a sentence each
    documented = section(value, "Parameters")
    if is_dataclass(value) and documented is None:
        documented = section(value, "Attributes") or described_fields(value)
    assert (documented or []) == parameters(value)


@pytest.mark.parametrize("name", FRONT)
def test_public_names_have_an_example(name):
    assert section(FRONT[name], "Examples") is not None
    if hasattr(FRONT[name], "predict_proba"):
        assert section(FRONT[name], "Attributes")


@pytest.mark.parametrize("name", DESCRIBED)
def test_names_on_the_api_pages_have_an_example(name):
    """But errors, cards and dataclasses, whose fields say what they hold."""
    value = PUBLIC[name]
    if not (inspect.isclass(value) and (is_dataclass(value) or issubclass(value, BaseException | BaseModel))):
        assert section(value, "Examples") is not None


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name):
    value = PUBLIC[name]
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    for example in doctest.DocTestFinder(recurse=False).find(value, name):
        outcome = doctest.DocTestRunner(verbose=False, optionflags=options).run(example)
        assert not outcome.failed


def test_sections_are_read():
    def sample(first, second, *rest, third=1):
        """Return nothing.

        Parameters
        ----------
        first, second : int
            Numbers: two.
        *rest : int
            More.
        third : {"a", "b"}
            A choice.

        Returns
        -------
        None
        """

    assert section(sample, "Parameters") == parameters(sample) == ["first", "second", "rest", "third"]
    assert section(sample, "Examples") is None
