"""Words proposed by anchors and refined on unlabeled texts, against loops of the formulas."""

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.vocabsem.method_data import CLASSES, TOKENS, make_space, make_states, make_whole_space
from vocabsem.errors import DataError
from vocabsem.label_space import Vocabulary
from vocabsem.methods import AutoVerbalizer, BatchCalibration


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("options", [{}, {"softcap": 2.0, "scale": 0.5}], ids=["plain", "capped"])
@pytest.mark.parametrize(("n_words", "least"), [(4, 1.0), (12, 1.2), (TOKENS, 0.9)])
def test_words_and_logits_are_those_of_the_formulas(n_words, least, options):
    space, pool, queries = make_whole_space(**options), make_states(1, n=60)[0], make_states(2, n=20)[0]
    result = AutoVerbalizer(space, n_words=n_words, min_relevance=least).fit(pool)
    vocabulary = space.vocabulary
    anchors = vocabulary.anchors - vocabulary.anchors.mean(axis=0)
    label = [ids[0] for ids in vocabulary.label_ids]
    near = {}
    for c in range(CLASSES):
        order = sorted(set(range(TOKENS)) - set(label), key=lambda t: -cosine(anchors[t], anchors[label[c]]))
        for token in order[:n_words]:
            near.setdefault(token, []).append(c)
    of = {
        token: max(cs, key=lambda c: cosine(anchors[t], anchors[label[c]]))
        for token, cs in near.items()
        for t in [token]
    }

    def log_p(states):
        logits = (states.astype(float) @ vocabulary.head.T + vocabulary.bias) * space.scale
        return log_softmax(logits if space.softcap is None else space.softcap * np.tanh(logits / space.softcap), axis=1)

    q = np.exp(log_p(pool))
    kept = {c: [label[c]] for c in range(CLASSES)}
    for token, c in of.items():
        relevance = [cosine(q[:, token], q[:, label[other]]) for other in range(CLASSES)]
        if (CLASSES - 1) * relevance[c] / (sum(relevance) - relevance[c]) >= least:
            kept[c].append(token)
    result_words = {
        c: {int(t) for t, mine in zip(result.words_, result.word_classes_[CLASSES:], strict=True) if mine == c}
        for c in kept
    }
    assert result_words == {c: set(tokens[1:]) for c, tokens in kept.items()}
    assert 0 < len(result.words_) < len(near)
    lift = log_p(queries) - np.log(q.mean(axis=0))
    expected = np.stack([lift[:, tokens].mean(axis=1) for tokens in kept.values()], axis=1)
    np.testing.assert_allclose(log_softmax(result._logits(queries), axis=1), log_softmax(expected, axis=1), atol=1e-5)


def test_without_a_relevant_word_it_is_batch_calibration_over_the_whole_vocabulary():
    space, pool, queries = make_whole_space(), make_states(1, n=60)[0], make_states(2, n=20)[0]
    alone = AutoVerbalizer(space, min_relevance=1e30).fit(pool)
    assert len(alone.words_) == 0
    whole = BatchCalibration(space.with_other_tokens()).fit(pool)
    np.testing.assert_allclose(
        alone.predict_proba(queries),
        whole.predict_proba(queries)[:, :CLASSES] / whole.predict_proba(queries)[:, :CLASSES].sum(1, keepdims=True),
        rtol=1e-6,
    )


def test_synonyms_of_the_label_words_find_texts_that_the_label_words_miss():
    """Half of a class's texts raise its label word, half the word beside it in the anchors."""
    rows = np.eye(8, dtype=np.float32)
    anchors = rows.copy()
    anchors[2], anchors[3] = rows[0] + 0.3 * rows[2], rows[1] + 0.3 * rows[3]
    head = 4 * rows
    vocabulary = Vocabulary(head, np.zeros(8, np.float32), anchors, [[0], [1]])
    rng = np.random.default_rng(0)
    texts = np.repeat(rows[[0, 2, 1, 3]], 50, axis=0) + 0.2 * rng.standard_normal((200, 8)).astype(np.float32)
    texts[:, 2] += 0.5 * texts[:, 0]  # the two go together
    texts[:, 3] += 0.5 * texts[:, 1]
    truth = np.repeat([0, 0, 1, 1], 50)
    space = vocabulary.label_space(None, 1.0, whole=True)
    ours = AutoVerbalizer(space, n_words=1).fit(texts)
    assert ours.words_.tolist() == [2, 3]
    accuracy = {
        type(m).__name__: float((m.predict(texts) == truth).mean()) for m in (ours, BatchCalibration(space).fit(texts))
    }
    assert accuracy["AutoVerbalizer"] > accuracy["BatchCalibration"] + 0.1


def test_the_mean_over_many_texts_is_that_of_two_hundred_spread_evenly():
    """More texts than are read, and than are computed at a time."""
    space, pool = make_whole_space(scale=0.02), make_states(1, n=501)[0]
    method = AutoVerbalizer(space, n_words=3).fit(pool)
    vocabulary = space.vocabulary
    log_p = log_softmax((pool.astype(float) @ vocabulary.head.T + vocabulary.bias) * space.scale, axis=1)
    tokens = [ids[0] for ids in vocabulary.label_ids] + method.words_.tolist()
    rows = [round(500 * i / 199) for i in range(200)]
    expected = np.log(np.exp(log_p[rows])[:, tokens].mean(axis=0))
    np.testing.assert_allclose(method.log_prior_, expected, atol=1e-6)  # head rows are of float32
    assert not np.allclose(method.log_prior_, np.log(np.exp(log_p)[:, tokens].mean(axis=0)), atol=1e-4)


def test_the_order_of_the_classes_and_of_the_texts_decides_nothing():
    space, pool, queries = make_whole_space(), make_states(1, n=60)[0], make_states(2, n=20)[0]
    order = [2, 0, 1]
    vocabulary = space.vocabulary
    ids = [vocabulary.label_ids[c] for c in order]
    other = Vocabulary(vocabulary.head, vocabulary.bias, vocabulary.anchors, ids).label_space(None, 1.0, whole=True)
    first = AutoVerbalizer(space, n_words=5).fit(pool)
    turned = AutoVerbalizer(other, n_words=5).fit(pool[::-1])
    assert len(first.words_) > 0
    np.testing.assert_allclose(turned.predict_proba(queries), first.predict_proba(queries)[:, order], rtol=1e-6)


def test_words_are_no_label_words_stand_once_and_are_at_most_n_words():
    space, pool = make_whole_space(), make_states(1, n=60)[0]
    label = {token for ids in space.vocabulary.label_ids for token in ids}
    for n_words in (1, 4, TOKENS, 10 * TOKENS):
        method = AutoVerbalizer(space, n_words=n_words, min_relevance=-1e30).fit(pool)
        words = method.words_.tolist()
        assert len(set(words)) == len(words) <= min(CLASSES * n_words, TOKENS - CLASSES)
        assert not label & set(words)
        assert np.bincount(method.word_classes_).max() <= 1 + n_words
    assert len(words) == TOKENS - CLASSES, "every token is near enough"


def test_what_it_cannot_do_without_is_named():
    space, pool = make_whole_space(), make_states(1, n=60)[0]
    with pytest.raises(DataError, match="auto_verbalizer: n_words=0: give a number above 0"):
        AutoVerbalizer(space, n_words=0).fit(pool)
    with pytest.raises(DataError, match="auto_verbalizer compares with every token: give its label space a vocabulary"):
        AutoVerbalizer(make_space()).fit(pool)
