"""Names of methods that fit a narrow column: words are cut, none becomes another's."""

import re
from collections.abc import Sequence

WORD = re.compile(r"[^\W\d_]+")
LETTERS = range(12, 2, -1)  # of a word, the longest first


def shorten_names(names: Sequence[str], width: int) -> list[str]:
    """Return the names with words cut until they have at most `width` characters, as long as all stay distinct.

    `vocabulary_calibrator+random` becomes `vocabul_calibra+random`: the part after + is cut last, and variants of one
    method are cut at the same place.
    """
    families: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        families.setdefault(name.partition("+")[0], []).append(name)
    short: dict[str, str] = {}
    for base, family in families.items():
        forms = [dict(zip(family, family, strict=True))]
        forms += [{name: _cut(base, n) + name.removeprefix(base) for name in family} for n in LETTERS]
        forms += [{name: _cut(name, n) for name in family} for n in LETTERS]
        short |= next((form for form in forms if max(map(len, form.values())) <= width), forms[-1])
    distinct = len(set(short.values())) == len(short)
    return [short[name] if distinct else name for name in names]


def _cut(name: str, letters: int) -> str:
    return WORD.sub(lambda word: word.group()[:letters], name)
