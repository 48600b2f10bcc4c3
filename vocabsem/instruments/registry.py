"""The studies by name: what each reads, its parameters, how long its card takes. An instrument is imported at use."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vocabsem.errors import CardError, suggest

__all__ = ["StudyInfo", "check_study", "study_info", "study_infos"]


@dataclass(frozen=True)
class StudyInfo:
    """What is known of a study before it runs.

    Attributes
    ----------
    name : str
        Its name; its module in `vocabsem/instruments` and its card have the same.
    summary : str
        What it measures.
    seconds : float
        About what its own card takes on two cores, states and downloads aside.
    files : tuple of str
        Names of the files that a card gives.
    datasets : bool or None
        Whether it reads stored states of data sets; None where a card may name some.
    tokens : bool
        Whether these are of every token of a text, not of the last one.
    heads : bool
        Whether they are outputs of attention heads, not states.
    last : bool
        Whether the last layer must be among those that it reads.
    dictionaries : bool
        Whether it trains dictionaries that can be exported.
    params : mapping
        Parameters with their defaults.
    later : frozenset of str
        Those that came after results were stored: left out of keys at their default, so that it changes none.
    least : mapping
        Smallest value of a parameter; of others any above 0.
    below : mapping
        Parameter → another of which it is at most as large.
    revision : int
        Raised when the instrument would give other values.
    """

    name: str
    summary: str
    seconds: float
    files: tuple[str, ...] = ()
    datasets: bool | None = False
    tokens: bool = False
    heads: bool = False
    last: bool = False
    dictionaries: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    later: frozenset[str] = frozenset()
    least: Mapping[str, int] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)
    revision: int = 1

    def in_key(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that a key holds.

        Parameters
        ----------
        params : mapping
            Those that differ from the defaults.

        Returns
        -------
        dict

        Examples
        --------
        >>> StudyInfo("mine", "", 1, params={"cv": 5, "top": 3}, later=frozenset({"top"})).in_key({"cv": 4})
        {'cv': 4}
        """
        every = dict(self.params) | dict(params)
        return {name: value for name, value in every.items() if name not in self.later or value != self.params[name]}


_INFOS = MappingProxyType(
    {
        info.name: info
        for info in (
            StudyInfo(
                name="lexicon",
                summary="Similarity, analogies and ratings of words in anchors, head rows and states by layer.",
                seconds=430,
                files=("simlex", "wordsim", "analogies", "ratings", "senses", "valence"),
                params={"exponents": (0.25, 0.5), "cv": 5, "max_words": 1500, "max_analogies": 2000},
                least={"cv": 2, "max_words": 5, "max_analogies": 5},
            ),
            StudyInfo(
                name="commitment",
                summary="From which layer the nearest label anchor of a text stays, and whether late ones are errors.",
                seconds=90,
                datasets=True,
                last=True,
                revision=2,
            ),
            StudyInfo(
                name="rate_distortion",
                summary="What labels and categories of nouns cost and leave by layer, beside the clusters of k-means.",
                seconds=130,
                datasets=True,
                params={"starts": 4, "min_words": 10},
                revision=2,
            ),
            StudyInfo(
                name="order",
                summary="Order of days, months, numbers, letters and scales in words by layer, and in attention heads.",
                seconds=190,
                params={"min_words": 5},
                later=frozenset({"min_words"}),
                least={"min_words": 3},
            ),
            StudyInfo(
                name="grid",
                summary="F1 of a classifier by layer and first k axes of its states, the cheapest of these, its speed.",
                seconds=200,
                datasets=True,
                params={"axes": (8, 16, 32, 64, 128, 256), "tolerance": 0.01},
                later=frozenset({"tolerance"}),
                revision=2,
            ),
            StudyInfo(
                name="heads",
                summary="F1 of a classifier that is given one attention head of a model, and the best of a layer.",
                seconds=120,
                datasets=True,
                heads=True,
            ),
            StudyInfo(
                name="dictionary",
                summary="Sparse autoencoders of states of tokens beside PCA, anchors as a dictionary, Gaussian states.",
                seconds=150,
                datasets=True,
                tokens=True,
                dictionaries=True,
                params={"features": 1024, "k": 32, "epochs": 6, "shots": (4, 16, 64), "repeats": 3},
                least={"features": 8, "k": 2},
                below={"k": "features"},
            ),
            StudyInfo(
                name="syntax",
                summary="Syntax trees of functions of Python, read by probes from states of tokens, by layer and rank.",
                seconds=480,
                files=("train", "test"),
                params={"functions": 300, "held_out": 100, "ranks": (16, 64), "epochs": 30, "control": True},
                least={"functions": 10, "held_out": 10},
            ),
            StudyInfo(
                name="meaning_of_programs",
                summary="Value of a program's variable in states, beside its value if + and − were each other.",
                seconds=390,
                params={"programs": 800, "held_out": 400, "operations": 3, "control": False},
                later=frozenset({"control"}),
                least={"programs": 10, "held_out": 10},
            ),
            StudyInfo(
                name="embed",
                summary="Agreement of cosines of documents with people, by prompt, pooling and layer; typos; clusters.",
                seconds=400,
                files=("documents", "background", "similarities", "encoder"),
                datasets=None,
                params={"rates": (0.05, 0.3), "background": 100, "depth": 10, "removed_axes": 3, "starts": 4},
                later=frozenset({"depth", "removed_axes", "starts"}),
                least={"background": 20},
            ),
        )
    }
)


def study_infos() -> Mapping[str, StudyInfo]:
    """Return the studies by name.

    Returns
    -------
    mapping of str to StudyInfo

    Examples
    --------
    >>> "lexicon" in study_infos()
    True
    """
    return _INFOS


def study_info(name: str) -> StudyInfo:
    """Return what is known of a study.

    Parameters
    ----------
    name : str
        A registered name.

    Returns
    -------
    StudyInfo

    Raises
    ------
    CardError
        An unknown name, with the nearest known one.

    Examples
    --------
    >>> study_info("lexicon").datasets
    False
    """
    if name not in _INFOS:
        raise CardError(f"unknown study {name!r}: {suggest(name, list(_INFOS))}")
    return _INFOS[name]


def check_study(name: str, params: Mapping[str, Any], files: Mapping[str, Any], datasets: bool) -> None:
    """Check what a card gives to a study.

    Parameters
    ----------
    name : str
        A registered name.
    params : mapping
        Parameters that differ from the defaults: of the type of these, finite, above 0 or as large as the study needs.
    files : mapping
        The card's files.
    datasets : bool
        Whether the card names data sets.

    Raises
    ------
    CardError
        With the name of what is unknown, missing or of another type.

    Examples
    --------
    >>> check_study("lexicon", {"cv": 3}, dict.fromkeys(study_info("lexicon").files), False)
    """
    info = study_info(name)
    for key, value in params.items():
        if key not in info.params:
            raise CardError(f"study {name} has no parameter {key!r}: {suggest(key, list(info.params))}")
        default, least = info.params[key], info.least.get(key, 0)
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise CardError(f"study {name}: {key} is {value!r}: give true or false")
            continue
        several = isinstance(default, tuple)
        given = value if isinstance(value, list) else [value]
        if isinstance(value, list) != several or not given or not all(_fits(each, default, least) for each in given):
            bound = f"of at least {least}" if least else "above 0"
            what, shown = ("a list of numbers", list(default)) if several else ("a number", default)
            raise CardError(f"study {name}: {key} is {value!r}: give {what} {bound}, as in {key}: {shown}")
    whole = dict(info.params) | dict(params)
    for key, other in info.below.items():
        if whole[key] > whole[other]:
            raise CardError(f"study {name}: {key} is {whole[key]}, and {other} {whole[other]}: give at most as many")
    if set(files) != set(info.files):
        wanted = ", ".join(info.files) or "none"
        raise CardError(
            f"study {name} reads the files {wanted}, and the card gives {', '.join(sorted(files)) or 'none'}"
        )
    if info.datasets is not None and datasets != info.datasets:
        raise CardError(f"study {name} reads {'' if info.datasets else 'no '}states of data sets: fix 'datasets'")


def _fits(value: object, default: Any, least: int) -> bool:
    """Return whether a value is a finite number above 0, and not below the least, of the default's type."""
    known = type(default[0] if isinstance(default, tuple) else default)
    number = isinstance(value, int | known) and not isinstance(value, bool)
    return number and value > 0 and least <= value < math.inf  # type: ignore[operator]
