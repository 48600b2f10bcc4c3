"""Make data sets of choices from the calendar, and from WordNet: the word of a definition, the last of a sentence.

`python examples/choices/make.py` writes weekdays.jsonl (the weekday of a date) and months.jsonl (the month some months
after another) beside this file. With FOLDER, which has WordNet's files data.noun and so on (Debian's wordnet-base has
them in /usr/share/wordnet), it also writes definitions.jsonl and sentences.jsonl, whose wrong options are words of the
same part of speech and topic. Which rows and options there are depends on WordNet's bytes alone.
"""

import argparse
import calendar
import datetime
import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("noun", "verb", "adj")
ROWS, OPTIONS = 1000, 4
DAYS = 30 * 365  # from 2000 on
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


def calendar_rows():
    """Return the rows of both sets of the calendar, {name: list}."""
    generator = random.Random(0)
    days, months = list(calendar.day_name), list(calendar.month_name)[1:]
    made = {"weekdays": [], "months": []}
    for number in generator.sample(range(DAYS), ROWS):
        date = datetime.date(2000, 1, 1) + datetime.timedelta(number)
        right = days[date.weekday()]
        others = [each for each in days if each != right]
        text = f"{date.day} {months[date.month - 1]} {date.year}"
        made["weekdays"].append(row(text, right, others, generator))
    for start, first in enumerate(months):
        for after in range(1, 12):
            right = months[(start + after) % 12]
            others = [each for each in months if each not in (first, right)]
            text = f"{after} month{'s' * (after > 1)} after {first}"
            made["months"].append(row(text, right, others, generator))
    return made


def main():
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args().folder
    for name, each in (calendar_rows() | (rows(folder) if folder else {})).items():
        path = HERE / f"{name}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in each), encoding="utf-8")
        print(f"{path}: {len(each)} rows")


if __name__ == "__main__":
    main()
