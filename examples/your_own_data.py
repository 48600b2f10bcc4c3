# %% [markdown]
# # Your own data
# A CSV file of labeled texts to a leaderboard of methods, in a folder of its own. Here the file is made up; put yours
# in its place. A *card* says what its columns mean, which words stand for the classes, and how a text becomes a prompt.

# %%
import csv
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="your-own-data-"))
things, draw = ["screen", "battery", "keyboard", "case", "charger", "speaker", "strap", "lens"], random.Random(0)
phrases = {
    "praise": ["works very well", "is a delight", "was worth every penny", "feels solid", "never lets me down"],
    "complaint": ["broke after a week", "is a disappointment", "was a waste of money", "feels cheap", "came damaged"],
}
rows = [
    (f"The {thing} {phrase}{more}", label)
    for label, endings in phrases.items()
    for phrase in endings
    for thing in things
    for more in (".", ", and I wrote a letter.")
]
draw.shuffle(rows)
with (folder / "reviews.csv").open("w", newline="") as file:
    csv.writer(file).writerows([("review", "kind"), *rows])
print(len(rows), "rows")

# %%
_ = (folder / "reviews.yaml").write_text("""\
name: reviews
description: Reviews of small devices.
license: mine
files: {all: "file:reviews.csv"}
format: csv
fields: {text: review}
label_column: kind
labels:
  - {name: complaint, value: complaint, word: bad}
  - {name: praise, value: praise, word: good}
template: "Review: {text}\\nThis is"
split: {test: 0.4, validation: 0.25}
""")

# %% [markdown]
# An experiment names models, data sets and methods. Everything computed rests in the home; the second run of the same
# card computes nothing.

# %%
_ = (folder / "experiment.yaml").write_text("""\
name: my-reviews
description: Which method for our reviews?
models: [smollm2-135m-instruct]
datasets: [reviews.yaml]
shots: [0, 4, all]
seeds: [0, 1]
methods: [zero_shot, vocabulary_calibrator, ridge, {method: linear_probe, control: true}]
champion: true
""")


def vocabsem(*words: str) -> None:
    """The command line, typed in that folder."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"VOCABSEM_HOME": ".vocabsem", "PATH": programs}
    command = ["vocabsem", *words]
    print(subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout)


(folder / ".vocabsem").mkdir()
cache = Path(os.environ.get("VOCABSEM_HOME", ".vocabsem")).resolve() / "cache"
if cache.is_dir():  # the models that were fetched already
    (folder / ".vocabsem" / "cache").symlink_to(cache)
vocabsem("run", "experiment.yaml")

# %% [markdown]
# The best on validation data is registered and predicts.

# %%
vocabsem("predict", "--model", "vocabsem-reviews@champion", "The strap came damaged.", "This lens is a delight.")
