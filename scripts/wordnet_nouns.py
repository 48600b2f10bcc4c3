"""Nouns by lexicographer file of WordNet: `python scripts/wordnet_nouns.py FOLDER` writes those of the method.

FOLDER has WordNet's `cntlist.rev`, how often each sense is tagged in a corpus; Debian's wordnet-base has it in
/usr/share/wordnet. A noun is taken where it is one word, tagged three times or more, and nine in ten of its tags, those
as a verb or an adjective among them, are in one lexicographer file. That of the top-level nouns is left out.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

TARGET = Path(__file__).parent.parent / "vocabsem" / "instruments" / "wordnet_nouns.txt"
NOUN, FIRST = 1, 4  # the part of speech of nouns; their lexicographer file after that of top-level ones
FILES = [
    *("act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling", "food"),
    *("group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process", "quantity"),
    *("relation", "shape", "state", "substance", "time"),
]
LEAST, SHARE = 3, 0.9
LICENSE = """\
# Nouns by lexicographer file of WordNet 3.0, chosen by scripts/wordnet_nouns.py.
#
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Permission to use, copy, modify and
# distribute this software and database and its documentation for any purpose and without fee or royalty is hereby
# granted, provided that you agree to comply with the following copyright notice and statements, including the
# disclaimer, and that the same appear on ALL copies of the software, database and documentation, including
# modifications that you make for internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND
# PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT
# LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY
# PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD
# PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or Princeton may not be used
# in advertising or publicity pertaining to distribution of the software and/or database. Title to copyright in this
# software, database and any associated documentation shall at all times remain with Princeton University and LICENSEE
# agrees to preserve same.
"""


def chosen(lines: Iterable[str]) -> dict[str, list[str]]:
    """The nouns of each lexicographer file, sorted, from lines such as `dog%1:05:00:: 1 42`."""
    tags: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    for line in lines:
        sense, _, count = line.split()
        word, _, where = sense.partition("%")
        speech, file, *_ = where.split(":")
        tags[word][int(speech), int(file)] += int(count)
    nouns: dict[str, list[str]] = {name: [] for name in FILES}
    for word in sorted(tags):
        (most_speech, most_file), tagged = tags[word].most_common(1)[0]
        plain = word.isascii() and word.isalpha() and word.islower()
        often = tagged >= max(LEAST, SHARE * tags[word].total())
        if plain and often and most_speech == NOUN and most_file >= FIRST:
            nouns[FILES[most_file - FIRST]].append(word)
    return nouns


def written(nouns: dict[str, list[str]]) -> Iterator[str]:
    """Lines of a file's name and some of its nouns."""
    for name, words in nouns.items():
        yield from (f"{name}: {line}" for line in wrap(" ".join(words), 118 - len(name)))


if __name__ == "__main__":
    text = (Path(sys.argv[1]) / "cntlist.rev").read_text(encoding="ascii")
    TARGET.write_text(LICENSE + "\n".join(written(chosen(text.splitlines()))) + "\n")
