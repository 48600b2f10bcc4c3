# %% [markdown]
# # Studies of texts
# Where in a model are the labels of texts: in which layers, axes, attention heads; and when does a text settle on one?
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


rows = ["datasets=[rotten_tomatoes]", "limits={train: 120, validation: 30, test: 80}", "max_tokens=40"]

# %% [markdown]
# `grid`: layers and principal axes with which a classifier does without the rest, and how good it then is.

# %%
study("grid", *rows, "layers=[12, 24, last]", "params.axes=[8, 64]")
vocabsem(
    "sql",
    """
    select layer, variant, round(value, 2) as f1, round(low, 2) as low, round(high, 2) as high, beside_null
    from study_grid where card = 'small-grid' and metric = 'pca_f1' order by layer, value
    """,
)

# %% [markdown]
# `heads`: what one attention head knows by itself, beside all heads of its layer.

# %%
study("heads", *rows, "layers=[12, 24, last]")
vocabsem(
    "sql",
    """
    select layer, variant, metric, round(value, 2) as f1, round(null_high, 2) as null_high, beside_null
    from study_heads where card = 'small-heads' order by metric, layer
    """,
)

# %% [markdown]
# `commitment`: the nearest label anchor by layer, and whether texts that settle late are wrong more often (an AUROC; at
# 0.5 nothing is predicted).

# %%
study("commitment", *rows, "layers=[12, 24, last]")
vocabsem(
    "sql",
    """
    select metric, variant, layer, round(value, 2) as value, round(null_low, 2) as null_low,
        round(null_high, 2) as null_high, beside_null
    from study_commitment where card = 'small-commitment' and metric in ('accuracy', 'error_auroc')
    """,
)

# %% [markdown]
# `rate_distortion`: how much of the variance lies inside the labels, and whether clusters of k-means are the labels;
# the same of nouns and their lexicographer files in WordNet.

# %%
study("rate_distortion", *rows, "layers=[12, 24, last]")
vocabsem(
    "sql",
    """
    select unit, metric, variant, layer, round(value, 3) as value, round(null_low, 3) as null_low,
        round(null_high, 3) as null_high, beside_null
    from study_rate_distortion
    where card = 'small-rate_distortion' and metric in ('distortion', 'ari') and variant in ('state', 'anchors')
    """,
)
