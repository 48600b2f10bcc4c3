"""Protocols of evaluation, frozen: a protocol never changes, a better one gets the next number.

A protocol is compared with cards and with the hashes of examples; nothing is computed from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

__all__ = [
    "PROTOCOLS",
    "Deviation",
    "Protocol",
    "card_deviations",
    "card_summary",
    "example_deviations",
    "protocol_of",
    "summary",
]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Protocol:
    """The settings that comparable results have in common."""

    version: int
    """Number by which it is cited."""
    datasets: Mapping[str, Mapping[str, str]]
    """Data set → split → hash of its examples (`example_hashes.split_hash`); every row, no limits."""
    shots: tuple[int | Literal["all"], ...]
    """Labeled examples per class."""
    on_insufficient: str
    """What a class with fewer training rows does."""
    seeds: tuple[int, ...]
    """Each draws its own shots."""
    temperature: bool
    """Whether probabilities are rescaled by a temperature fitted on training rows."""
    metrics: tuple[str, ...]
    """Of test rows, the first for ranks and comparisons; each the mean over seeds, then over data sets."""
    bins: int
    """Of the ECE, of equal width."""
    interval: float
    """Share of bootstrap replicates inside an interval, by percentiles."""
    resamples: int
    """Of the examples, within each class, and of the seeds: of an interval."""
    comparison_resamples: int
    """The same, of a difference between two methods on the same examples and seeds."""


class Deviation(NamedTuple):
    """A part of a card or of its data that is not as in a protocol.

    Parameters
    ----------
    part : str
        Its name.
    expected : str
        What the protocol says.
    given : str
        What the card or the data say.
    """

    part: str
    expected: str
    given: str

    def __str__(self) -> str:
        return f"{self.part}: {self.given} instead of {self.expected}"


_ONE = {
    "trec": ("f8760cfa6a8781b4", "", "b5ad4cd1844db9b3"),
    "bbc_news": ("175c2df1f07ad380", "6549d7791896e76c", "84b3e76abef46c9a"),
    "reuters_r8": ("a86b71c5237df2db", "9e83b4b03f6fbb3b", "a712f7f1edbe79cd"),
    "agnews": ("e6ebab3044688c9b", "", "ef7177da50544bdb"),
    "rotten_tomatoes": ("296a26832a447e3c", "7207e17a93dff74e", "8185ad282c6629cc"),
    "mr": ("1351922fa584865f", "", "e247eec8db01574f"),
    "sst5": ("a2dc14be260dafe4", "", "c3ee5b25d7129032"),
    "subj": ("20650b92be6ba110", "", "e924c1b1361cc09e"),
    "plot_or_review": ("aac0382b45414744", "35babd015939935f", "38844f617810d454"),
    "newsgroups20": ("e3085c836a72df58", "c5f6f627e610d2f6", "6f818d58f2aea292"),
    "imdb": ("81a7f48b5e64678f", "529c1af2fcbfbf8c", "790b2a9cfc33d10b"),
}

PROTOCOLS = MappingProxyType(
    {
        1: Protocol(
            version=1,
            datasets={
                name: {split: each for split, each in zip(SPLITS, hashes, strict=True) if each}
                for name, hashes in _ONE.items()
            },
            shots=(0, 1, 4, 16, 64, 256, "all"),
            on_insufficient="use_all",
            seeds=(0, 1, 2, 3, 4),
            temperature=True,
            metrics=("macro_f1", "accuracy", "nll", "ece", "brier"),
            bins=15,
            interval=0.95,
            resamples=1000,
            comparison_resamples=2000,
        )
    }
)
"""By their versions."""


def protocol_of(card: Mapping[str, Any]) -> int:
    """Return the version that an experiment card is compared with: the one that it names, else the newest.

    Parameters
    ----------
    card : mapping of str to value
        The card, as JSON.

    Returns
    -------
    int
    """
    return int(card.get("protocol") or max(PROTOCOLS))


def card_deviations(card: Mapping[str, Any], version: int | None = None) -> list[Deviation]:
    """Return the parts of an experiment card that are not as in a protocol.

    Parameters
    ----------
    card : mapping of str to value
        The card with its defaults, as JSON.
    version : int, optional
        Of the protocol; by default as `protocol_of` has it.

    Returns
    -------
    list of Deviation
        In the order of the protocol; none where the card follows it.
    """
    return list(dict.fromkeys(_card_deviations(card, PROTOCOLS[version or protocol_of(card)])))


def card_summary(card: Mapping[str, Any]) -> str:
    """Return what a run of an experiment card is cited by, as `summary` has it.

    Parameters
    ----------
    card : mapping of str to value
        The card with its defaults, as JSON.

    Returns
    -------
    str
    """
    return summary(card_deviations(card), protocol_of(card))


def example_deviations(hashes: Mapping[str, Mapping[str, str]], version: int = 1) -> list[Deviation]:
    """Return the splits whose examples are not those of a protocol.

    Parameters
    ----------
    hashes : mapping of str to mapping of str to str
        Data set → split → hash of its examples. Data sets that the protocol does not have are passed over.
    version : int
        Of the protocol.

    Returns
    -------
    list of Deviation
    """
    known = PROTOCOLS[version].datasets
    return [
        Deviation(f"{split} examples of {name}", known[name].get(split, "none"), each)
        for name, by_split in hashes.items()
        for split, each in (by_split.items() if name in known else ())
        if known[name].get(split) != each
    ]


def summary(deviations: Sequence[Deviation], version: int = 1) -> str:
    """Return what to cite: `protocol 1`, or `protocol 1 but for limits.train, shots`.

    Parameters
    ----------
    deviations : sequence of Deviation
        All there are.
    version : int
        Of the protocol.

    Returns
    -------
    str
    """
    but = f" but for {', '.join(each.part for each in deviations)}" if deviations else ""
    return f"protocol {version}{but}"


def _card_deviations(card: Mapping[str, Any], protocol: Protocol) -> Iterator[Deviation]:
    given = {PurePath(name).stem if name.endswith((".yaml", ".yml")) else name for name in card.get("datasets", ())}
    missing, others = sorted(set(protocol.datasets) - given), sorted(given - set(protocol.datasets))
    if missing or others:
        parts = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(others)}"] * bool(others)
        yield Deviation("datasets", f"the {len(protocol.datasets)} of the protocol", "; ".join(parts))
    for split, limit in (card.get("limits") or {}).items():
        if limit is not None:
            yield Deviation(f"limits.{split}", "every row", str(limit))
    for part in ("shots", "on_insufficient", "seeds", "temperature"):
        expected, value = _text(getattr(protocol, part)), _text(card.get(part))
        if expected != value:
            yield Deviation(part, expected, value)
    if card.get("layers") == "auto":
        yield Deviation("layers", "chosen by no more labels than the shots", "auto")
    for spec in card["methods"]:
        name = spec.get("label") or spec["method"]
        if spec.get("seeds") and spec["seeds"] < len(protocol.seeds):
            yield Deviation(f"seeds of {name}", str(len(protocol.seeds)), str(spec["seeds"]))
        if spec.get("shots") and _text(spec["shots"]) != _text(protocol.shots):
            yield Deviation(f"shots of {name}", _text(protocol.shots), _text(spec["shots"]))


def _text(value: Any) -> str:
    """Return a setting as in a card; the order of a list says nothing."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(sorted(map(str, value), key=lambda each: (not each.isdigit(), len(each), each)))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
