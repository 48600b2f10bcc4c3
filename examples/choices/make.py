"""Make two data sets of choices from WordNet: the word of a definition, and the last word of a sentence.

`python examples/choices/make.py FOLDER`, where FOLDER has WordNet's files data.noun and so on (Debian's wordnet-base
has them in /usr/share/wordnet), writes definitions.jsonl and sentences.jsonl beside this file. The wrong options are
words of the same part of speech and topic; which rows and options there are depends on WordNet's bytes alone.
"""

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("noun", "verb", "adj")
ROWS, OPTIONS = 1000, 4
WORD = re.compile(r"[a-z]{3,}")


def synsets(folder):
    """Yield part of speech with topic, lower-case words of one part, definition and quoted sentences of each synset."""
    for part in PARTS:
        for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith(" "):
                continue  # the license
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            definition = re.split(r'[;:]? "', gloss, maxsplit=1)[0].strip().rstrip(";")
            yield (
                f"{part}.{fields[1]}",
                [w for w in words if WORD.fullmatch(w)],
                definition,
                re.findall(r'"([^"]+)"', gloss),
            )


def row(text, word, others, generator):
    """A question whose right option stands at a random place."""
    options = [word, *generator.sample(others, OPTIONS - 1)]
    generator.shuffle(options)
    return {"query": text, "choices": options, "gold": options.index(word)}


def rows(folder):
    """Return the rows of both sets, {name: list}."""
    every = list(synsets(folder))
    senses = Counter(word for _, words, _, _ in every for word in words)
    by_topic = defaultdict(set)
    for topic, words, _, _ in every:
        by_topic[topic].update(word for word in words if senses[word] > 2)  # a word of several senses is no rare one
    made = {"definitions": [], "sentences": []}
    generator = random.Random(0)
    for topic, words, definition, sentences in every:
        others = sorted(by_topic[topic] - set(words))
        common = [word for word in words if senses[word] > 2]
        if not common or len(others) < OPTIONS:
            continue
        word = common[0]
        if len(definition.split()) > 3 and not re.search(rf"\b{word}", definition):
            made["definitions"].append(row(definition, word, others, generator))
        for sentence in sentences:
            start, _, last = sentence.strip().rpartition(" ")
            if last in common and len(start.split()) > 3 and last not in start:
                made["sentences"].append(row(start, last, others, generator))
    return {name: generator.sample(each, ROWS) for name, each in made.items()}


def main():
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, each in rows(parser.parse_args().folder).items():
        path = HERE / f"{name}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in each), encoding="utf-8")
        print(f"{path}: {len(each)} rows")


if __name__ == "__main__":
    main()
