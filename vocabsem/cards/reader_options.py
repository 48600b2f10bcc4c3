"""What a card may set of how its files are read: a short list, checked before a file is opened."""

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from vocabsem.cards.base import Card
from vocabsem.errors import BadInput

__all__ = ["OPTIONS", "Format", "ReaderOptions", "reader_options"]

Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "arrow", "folder", "hub"]
_TEXT = frozenset({"encoding", "encoding_errors"})
OPTIONS: Mapping[Format, frozenset[str]] = {
    "csv": _TEXT | {"sep", "skiprows"},
    "tsv": _TEXT | {"sep", "skiprows"},
    "json": _TEXT,
    "jsonl": _TEXT,
    "folder": _TEXT,
    "parquet": frozenset(),
    "arrow": frozenset(),
    "hub": frozenset({"name"}),
}
"""The options of each format."""
_ENCODINGS = re.compile(
    r"ascii|utf-(8|8-sig|16|16-le|16-be|32|32-le|32-be)|(iso8859|mac|koi8)-\w+|(cp|gb|big5|shift_jis|euc_|iso2022_)\w*|hz"
)


def _check_encoding(name: str) -> str:
    try:
        known = _ENCODINGS.fullmatch(codecs.lookup(name).name) is not None
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError("is not an encoding of text files: give one as utf-8, utf-16, cp1252 or shift_jis")
    return name


Line = Annotated[int, Field(ge=0, le=1000)]


class ReaderOptions(Card):
    """How files are read, where a format leaves it open."""

    sep: Annotated[str, Field(pattern=r'^[^"\r\n]$')] | None = None
    """One character between the columns of csv or tsv; by default the one of `,` `;` tab `|` that the header has."""
    encoding: Annotated[str, Field(max_length=40), AfterValidator(_check_encoding)] = "utf-8"
    """Of the characters."""
    encoding_errors: Literal["strict", "replace", "ignore"] = "strict"
    """What is done with bytes that are none."""
    skiprows: Line | Annotated[list[Line], Field(max_length=100)] = 0
    """How many first lines, or which lines from 0, are none of csv or tsv."""
    name: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")] | None = None
    """Configuration of a `hub` folder that has several."""

    @model_serializer(mode="wrap")
    def _dump_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return what was given, so that an option that is new changes no key of cards without it."""
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}


def reader_options(sep: str | None, encoding: str | None) -> ReaderOptions:
    """Return the options that a command was given.

    Parameters
    ----------
    sep, encoding : str or None
        None is the default.

    Returns
    -------
    ReaderOptions

    Raises
    ------
    BadInput
        For a separator that is no character, or an unknown encoding.
    """
    given = {"sep": {"\\t": "\t", "tab": "\t"}.get(sep or "", sep), "encoding": encoding}
    try:
        return ReaderOptions.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        fix = "give one character, as ';' or '\\t'" if first["loc"] == ("sep",) else first["msg"]
        raise BadInput(
            f"--{first['loc'][0]} {str(first['input'])[:60]!r}: {fix.removeprefix('Value error, ')}"
        ) from None
