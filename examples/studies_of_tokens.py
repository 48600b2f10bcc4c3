# %% [markdown]
# # Studies of tokens
# What is in the state of a token: sparse features, the syntax tree of a function, the value of a variable?
# Cards are cut down here: the shipped ones are `vocabsem study NAME`, their metrics in docs/studies. Every
# value stands beside its null, the 95 % of the same metric where there is nothing to find. The first run measures for
# minutes; with its studies in the home (`VOCABSEM_HOME`) a run reads them, within two.

# %%
import subprocess
import sys


def vocabsem(*words: str) -> None:
    """The command line, in the home of this machine: what it has measured once is there."""
    command = [sys.executable, "-m", "vocabsem", *words]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def study(name: str, *settings: str) -> None:
    """Measure a small version of a card, with rows of its own."""
    small = ["name=small-" + name, "resamples=200", "null_draws=50", *settings]
    words = [sys.executable, "-m", "vocabsem", "study", name, *(word for each in small for word in ("--set", each))]
    subprocess.run(words, capture_output=True, check=True)


# %% [markdown]
# `dictionary`: what a sparse autoencoder explains of states, beside principal axes and Gaussian states.

# %%
rows = ["datasets=[rotten_tomatoes]", "limits={train: 80, validation: 20, test: 40}", "max_tokens=40"]
sizes = ["params.features=128", "params.k=8", "params.epochs=4", "params.shots=[16]", "params.repeats=1"]
study("dictionary", *rows, *sizes)
vocabsem(
    "sql",
    """
    select variant, round(value, 2) as explained, round(low, 2) as low, round(high, 2) as high,
        round(null_low, 2) as null_low, round(null_high, 2) as null_high, beside_null
    from study_dictionary where card = 'small-dictionary' and metric = 'variance_explained' order by value desc
    """,
)

# %% [markdown]
# Features are named by the anchors that lie nearest to them.

# %%
vocabsem("sql", "select item, rank, text from study_items where card = 'small-dictionary' order by all limit 6")

# %% [markdown]
# `syntax`: how much of the tree of a function a linear probe finds, in the embedding and inside; the null is the
# same model with random weights.

# %%
small = ["params.functions=60", "params.held_out=30", "params.ranks=[16]", "params.epochs=10", "max_tokens=64"]
study("syntax", *small, "layers=[0, 12]", "params.control=false")
vocabsem(
    "sql",
    """
    select metric, variant, layer, round(value, 2) as value, round(null_high, 2) as null_high, beside_null
    from study_syntax where card = 'small-syntax' order by all
    """,
)

# %% [markdown]
# `meaning_of_programs`: whether states have the value of a variable, or as well one under a swapped meaning of + and −.

# %%
study("meaning_of_programs", "layers=[12, last]", "params.programs=200", "params.held_out=80", "params.operations=2")
vocabsem(
    "sql",
    """
    select metric, variant, layer, round(value, 2) as value, round(null_low, 2) as null_low,
        round(null_high, 2) as null_high, beside_null
    from study_meaning_of_programs where card = 'small-meaning_of_programs' order by all
    """,
)
