"""Methods of others: a class of an installed package, or one in a .py file beside the card.

To name one in a card is to run its code, as an import would.
"""

import hashlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from vocabsem.errors import CardError
from vocabsem.methods.info import MethodInfo, info_of

__all__ = ["GROUP", "from_entry_point", "from_file", "offered", "requirement", "resolve"]

GROUP = "vocabsem.methods"
Extension = tuple[MethodInfo, type[Any]]


def resolve(name: str, folder: Path | None) -> str:
    """Return the name of a method in a file with the file's path; other names stay as they are.

    Parameters
    ----------
    name : str
        As in a card.
    folder : Path or None
        Of the card; None is the working directory.

    Returns
    -------
    str

    Examples
    --------
    >>> resolve("my_probe:MyProbe", Path("/cards"))
    '/cards/my_probe.py:MyProbe'
    """
    file, colon, attribute = name.rpartition(":")
    if not colon:
        return name
    path = Path(file if file.endswith(".py") else f"{file}.py").expanduser()
    return f"{(folder or Path()).joinpath(path).absolute()}:{attribute}"


def from_file(name: str) -> Extension:
    """Run the file of a method and check its class.

    Parameters
    ----------
    name : str
        `path.py:Class`, or `path.py:name` by the name that the class has as a method.

    Returns
    -------
    tuple of MethodInfo and type

    Raises
    ------
    CardError
        No such file or class, code that fails, or a class that is no method.

    Examples
    --------
    >>> info, cls = from_file("my_probe.py:MyProbe")  # doctest: +SKIP
    >>> info.name  # doctest: +SKIP
    'my_probe'
    """
    file, _, attribute = resolve(name, None).rpartition(":")
    path = Path(file)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise CardError(
            f"method {name!r}: cannot read {path}: {error.strerror}: put the file beside the card"
        ) from None
    digest = hashlib.sha256(source).hexdigest()
    module = _run(path, source, digest)
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    for cls in classes:
        if attribute in (cls.__name__, vars(cls).get("name")):
            return _checked(cls, f"{path.stem}:{cls.__name__}", f"{path}:{cls.__name__}", digest)
    known = ", ".join(cls.__name__ for cls in classes) or "none"
    raise CardError(f"method {name!r}: {path} has no class {attribute!r}: there are {known}")


def from_entry_point(name: str) -> Extension | None:
    """Import and check the class that an installed package offers.

    Parameters
    ----------
    name : str
        Of the entry point and of the method.

    Returns
    -------
    tuple of MethodInfo and type, or None where no package does

    Raises
    ------
    CardError
        Code that fails, or a class that is no method of this name.

    Examples
    --------
    >>> from_entry_point("offered_by_no_package") is None
    True
    """
    for point in entry_points(group=GROUP, name=name):
        try:
            cls = point.load()
        except Exception as error:  # whatever the code of others raises
            raise CardError(f"method {name!r}: cannot import {point.value}: {error!r}: fix the package") from error
        info, cls = _checked(cls, point.value, f"{name} ({point.value})")
        if info.name != name:
            raise CardError(f"method {name!r}: {point.value} is named {info.name!r}: give the entry point that name")
        return info, cls
    return None


def offered() -> list[str]:
    """Return the names of the methods that installed packages offer.

    Returns
    -------
    list of str

    Examples
    --------
    >>> offered()  # doctest: +SKIP
    ['median']
    """
    return sorted(entry_points(group=GROUP).names)


def requirement(name: str) -> str | None:
    """Return `package==version` of the package that offers a method by an entry point.

    Parameters
    ----------
    name : str
        Of the entry point.

    Returns
    -------
    str or None

    Examples
    --------
    >>> requirement("ridge") is None
    True
    """
    for point in entry_points(group=GROUP, name=name):
        if point.dist is not None:
            return f"{point.dist.name}=={point.dist.version}"
    return None


def _checked(cls: Any, target: str, shown: str, sha256: str = "") -> Extension:
    from vocabsem.methods.base import Method  # torch and scikit-learn, which a method of others needs too

    bases: tuple[type[Any], ...] = (Method,)
    if getattr(cls, "family", "") == "adapters":
        from vocabsem.methods.adapters import AdapterTraining

        bases = (AdapterTraining,)
    if not (isinstance(cls, type) and issubclass(cls, bases)):
        raise CardError(f"method {shown} is no method: derive its class from vocabsem.methods.Method")
    return info_of(cls, target, sha256), cls


@cache
def _run(path: Path, source: bytes, digest: str) -> ModuleType:
    """Return the module of a file; a file that has changed is another module."""
    name = f"_method_{digest[:16]}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102  # the user's own code, named in the card
    except Exception as error:  # whatever the code of others raises
        del sys.modules[name]
        raise CardError(f"{path} cannot be run: {error!r}: fix the file") from error
    return module
