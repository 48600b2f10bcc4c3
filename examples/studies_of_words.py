# %% [markdown]
# # Studies of words and documents
# Do vectors of words and documents agree with people, and do words that have an order lie in it?
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
# `lexicon`: cosines of words against people's similarity, in head rows, anchors and states.

# %%
study("lexicon", "layers=[0, 18, last]", "params.max_words=300", "params.max_analogies=300", "params.cv=3")
vocabsem(
    "sql",
    """
    select variant, layer, round(value, 2) as spearman, round(low, 2) as low, round(high, 2) as high,
        round(null_high, 2) as null_high, beside_null
    from study_lexicon where card = 'small-lexicon' and unit = 'simlex' and metric = 'spearman' order by value desc
    """,
)

# %% [markdown]
# `order`: months on a circle. A straight line of words would get what `line` has.

# %%
study("order", "layers=[0, 18, last]")
vocabsem(
    "sql",
    """
    select variant, layer, round(value, 2) as circular, round(null_high, 2) as null_high, beside_null
    from study_order where card = 'small-order' and unit = 'months' and metric = 'circular' order by value desc
    """,
)

# %% [markdown]
# Which of two months comes before the other, in the answers of the same model to both orders.

# %%
vocabsem(
    "sql",
    """
    select metric, variant, round(value, 2) as value, round(null_low, 2) as null_low, round(null_high, 2) as null_high,
        beside_null
    from study_order where card = 'small-order' and unit = 'months' and metric like 'before%'
    """,
)
vocabsem("sql", "select text, score from study_items where card = 'small-order' and item = 'months: before' limit 5")

# %% [markdown]
# `embed`: cosines of news texts against people, by pooling, beside counted words and a sentence encoder.

# %%
short = ["max_tokens=40", "params.background=30", "params.rates=[0.3]"]
study("embed", *short, "layers=[last]", "limits={train: 20, validation: 20, test: 60}")
vocabsem(
    "sql",
    """
    select unit, variant, metric, round(value, 2) as value, round(low, 2) as low, round(high, 2) as high, beside_null
    from study_embed
    where card = 'small-embed' and unit in ('documents', 'bbc_news') and metric in ('spearman', 'v_measure')
    order by metric, value desc
    """,
)
