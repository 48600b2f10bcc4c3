"""Real fast tokenizers of three families, trained on a few words: no download."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

WORDS = ["a", "the", "film", "review", "text", "sentiment", "type", "good", "bad", "great", "okay", "negative"]
WORDS += ["positive", "dull", "grand", "story", "plot", ":", '"']
TEXT = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS[::4]]
SPECIAL = ["<unk>", "<s>", "</s>"]


@cache
def byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2, Llama 3, Qwen and SmolLM2: spaces belong to the token that follows; every text can be spelled."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


@cache
def metaspace() -> PreTrainedTokenizerFast:
    """As Llama 2 and T5: a mark for spaces, one before every text. "fine" and "odd" exist only without the mark."""
    pieces = [f"▁{word}" for word in WORDS] + ["fine", "odd"]
    vocabulary = [(token, 0.0) for token in SPECIAL] + [(piece, -1.0) for piece in pieces]
    vocabulary += [(letter, -9.0) for letter in '▁\nabcdefghijklmnopqrstuvwxyz:"' if f"{letter}" not in pieces]
    raw = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    raw.decoder = decoders.Metaspace(prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@cache
def word_level() -> PreTrainedTokenizerFast:
    """Whole words, or unknown; no token begins a text."""
    raw = Tokenizer(models.WordLevel({"<unk>": 0} | {w: i for i, w in enumerate(WORDS, 1)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>")
