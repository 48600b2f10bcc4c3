"""Words proposed by anchors and refined on unlabeled texts, against loops of the formulas."""

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.vocabsem.method_data import CLASSES, TOKENS, make_states, make_whole_space
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
