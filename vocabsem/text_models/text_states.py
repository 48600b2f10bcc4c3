"""Transform texts to states: a frozen language model as a scikit-learn transformer."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import DataError
from vocabsem.families.base import FrozenModel, HeadModel
from vocabsem.families.encoder import EncoderModel
from vocabsem.families.head import Head
from vocabsem.families.templates import prompt_template
from vocabsem.label_space import LabelSpace, Vocabulary
from vocabsem.models.language_model import LanguageModel, load_model
from vocabsem.models.model_draft import find_model_card
from vocabsem.prompts.chunking import encode_chunks
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import Ids, encode_prompts, field_names
from vocabsem.prompts.truncation import MASK
from vocabsem.runtime.devices import DType, resolve_dtype
from vocabsem.states.extraction import check_head, extract
from vocabsem.states.label_encodings import encode_labels
from vocabsem.states.layers import GivenLayer, resolve_layers
from vocabsem.states.pooling import check_poolings
from vocabsem.states.word_scores import score_space, score_words
from vocabsem.text_models.text_input import text_rows, whole_words
from vocabsem.text_models.text_settings import Scoring, WordTokens, as_data_errors, check_settings
from vocabsem.vocabulary.anchors import semantic_anchors

__all__ = ["TextStates"]


class TextStates(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Transform texts to the hidden states at the end of their prompts.

    The transformer learns nothing: `fit` does nothing, and the model is loaded at first use and once a process.

    Parameters
    ----------
    model : str
        A card's name in data/models or its path; or `hf:org/name`, a folder of safetensors or a .gguf file.
    template : str
        The prompt, with {text} where the text goes; with other fields a text is a mapping of them.
    words : mapping of str to str, optional
        Class → label word; needed for `label_space` only.
    layers : sequence of int, float or str
        Layers whose states stand side by side, in the order of `resolve_layers`: a number (negative ones count from the
        last), a share of the depth (0.6) or "last", each of the last token, or of a mean over all: "0.6:mean", also
        weighted_mean and echo, as `vocabsem.states.pooling` has them.
    word_tokens : {"single", "first", "mean"}
        What stands for a word of several tokens, as in `prompting.label_tokens`.
    scoring : {"exact", "exact_mean"}, optional
        Transform texts to log P(word | prompt) of each class's word, whole, in place of states, for methods that read
        zero-shot probabilities alone; `label_space` then is that of the scores, of exact_mean per token of the word.
    max_chunks : int
        Most prompts of a text that is too long for one, whose states are averaged.
    dtype : {"auto", "float32", "bfloat16"}
        In which the model computes; auto: the dtype that suits the machine.
    device : str
        A torch device; auto: the first GPU that torch can use, else the CPU; offload, or offload:8GB, as in cards.
    cache : str or Path, optional
        Folder of fetched sources; by default that of the home, `VOCABSEM_HOME` or .vocabsem here.

    Attributes
    ----------
    language_model : FrozenModel
        The loaded model: causal, masked, or a sentence encoder, as its card says.

    Examples
    --------
    >>> reader = TextStates("smollm2-135m-instruct", "Review: {text} It was")
    >>> reader.get_params()["layers"]
    ('last',)
    >>> states = reader.fit_transform(["a gorgeous, witty movie"])  # doctest: +SKIP
    >>> states.shape  # doctest: +SKIP
    (1, 576)
    """

    def __init__(
        self,
        model: str,
        template: str = "{text}",
        words: Mapping[str, str] | None = None,
        *,
        layers: Sequence[GivenLayer] = ("last",),
        word_tokens: WordTokens = "single",
        scoring: Scoring | None = None,
        max_chunks: int = 1,
        dtype: DType = "auto",
        device: str = "auto",
        cache: str | Path | None = None,
    ) -> None:
        self.model = model
        self.template = template
        self.words = words
        self.layers = layers
        self.word_tokens = word_tokens
        self.scoring = scoring
        self.max_chunks = max_chunks
        self.dtype = dtype
        self.device = device
        self.cache = cache

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Do nothing.

        Parameters
        ----------
        X, y : ignored
            For scikit-learn's pipelines.

        Returns
        -------
        TextStates
            Itself.
        """
        return self

    def transform(self, X: Iterable[str | Mapping[str, str]]) -> NDArray[np.float32]:
        """Return the states of N texts; what of a text does not fit into its prompts is cut off.

        Parameters
        ----------
        X : list, Series, or array or frame of one column
            Texts, or mappings of the template's fields to texts.

        Returns
        -------
        ndarray of shape (N, k·d), float32
            The k layers side by side; with `scoring` (N, C), log P(word | prompt) of each class.

        Raises
        ------
        DataError
            For settings that a card could not have, input of another form, or an empty text, with its row.
        """
        self._validate()
        rows = text_rows(X, field_names(self.template) - {MASK})
        model, card = self.language_model, self._card
        if self.scoring is None:
            check_poolings(resolve_layers(self.layers, model.layers), "last", card, card.max_tokens)
        with as_data_errors():
            template = prompt_template(self.template, card.family)
        chunked = encode_chunks(
            model.tokenizer,
            template,
            rows,
            max_chunks=self.max_chunks,
            max_tokens=card.max_tokens,
            prepend_bos=card.prepend_bos,
            special_tokens=card.adds_special_tokens,
            chat=card.conversation,
        )
        if self.scoring is not None:
            words = self._whole_words()
            assert isinstance(model, LanguageModel)
            return chunked.average(score_words(model, chunked.prompts.token_ids, words).astype(np.float32))
        states = extract(model, chunked.prompts.token_ids, self.layers)
        return chunked.average(np.concatenate(list(states.values()), axis=1))

    def label_space(self, *, whole: bool = False) -> LabelSpace:
        """Return anchors and head rows of the label words, which methods compare states with.

        Parameters
        ----------
        whole : bool
            Whether to add all tokens, for methods that compare with the whole vocabulary; an encoder has none.

        Returns
        -------
        LabelSpace

        Raises
        ------
        DataError
            Without words, for words that a card could not have, or for the whole vocabulary of exact scores.
        LabelWordError
            For words that are not distinct tokens of the model.
        """
        self._validate()
        if not self.words:
            raise DataError("a label space needs label words: give TextStates words={class: word}")
        if self.scoring is not None:
            if whole:
                raise DataError(f"scoring {self.scoring!r} has no vocabulary: leave out whole, or scoring")
            ids = self._whole_words()
            own = [[word] for word in range(len(ids))]
            return score_space(list(map(len, ids)), own, per_token=self.scoring == "exact_mean")
        model, words = self.language_model, list(self.words.values())
        if isinstance(model, EncoderModel):
            return encode_labels(model, words, self._card.max_tokens)
        tokens = label_tokens(
            model.tokenizer,
            words,
            strategy=self.word_tokens,
            dataset=None,
            chat=self._card.conversation,
            alone=self._card.begins_answers,
        )
        head, anchors = _head_and_anchors(*self._key)
        rows = head.weight[: head.tokens].numpy()
        bias = np.zeros(len(rows), np.float32) if head.bias is None else head.bias[: head.tokens].numpy()
        vocabulary = Vocabulary(rows, bias, anchors, tokens)
        return vocabulary.label_space(head.softcap, head.scale, whole=whole)

    def _whole_words(self) -> list[Ids]:
        if not self.words:
            raise DataError(f"scoring {self.scoring!r} is of label words: give TextStates words={{class: word}}")
        return whole_words(self.language_model, self._card, list(self.words.values()))

    def _validate(self) -> None:
        check_settings(self.get_params(deep=False))

    @property
    def language_model(self) -> FrozenModel:
        """The loaded model."""
        return _loaded(*self._key)

    @property
    def _card(self) -> ModelCard:
        with as_data_errors():
            return find_model_card(self.model, self._cache)

    @property
    def _key(self) -> tuple[str, Path, Literal["float32", "bfloat16"], str]:
        return self._card.model_dump_json(), self._cache, resolve_dtype(self.dtype), self.device

    @property
    def _cache(self) -> Path:
        if self.cache is not None:
            return Path(self.cache)
        home = os.environ.get("VOCABSEM_HOME") or ".vocabsem"
        if "://" in home:
            raise DataError(f"the home {home:.200} (VOCABSEM_HOME) is a bucket: give the folder of downloads by cache")
        return Path(home).expanduser().absolute() / "cache"

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: nothing is learned."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn: no fit, texts as input."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags


@lru_cache(maxsize=1)
def _loaded(card: str, cache: Path, dtype: DType, device: str) -> FrozenModel:
    model = load_model(ModelCard.model_validate_json(card), cache, dtype=dtype, device=device)
    own = ModelCard.model_validate_json(card)
    template = prompt_template("{text}", own.family)
    texts = [{"text": "a text"}, {"text": "another text"}]
    prompts = encode_prompts(
        model.tokenizer,
        template,
        texts,
        max_tokens=own.max_tokens,
        prepend_bos=own.prepend_bos,
        special_tokens=own.adds_special_tokens,
        chat=own.conversation,
    )
    check_head(model, prompts.token_ids)
    return model


@lru_cache(maxsize=1)
def _head_and_anchors(card: str, cache: Path, dtype: DType, device: str) -> tuple[Head, NDArray[np.float32]]:
    model = _loaded(card, cache, dtype, device)
    assert isinstance(model, HeadModel)
    head = model.head
    return head, semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors.float().numpy()
