"""The card of a model: where it is, how large, and how its prompts begin."""

from typing import Literal, Self

from pydantic import model_validator

from vocabsem.cards.base import Card, Name, Positive, Sha256, Text
from vocabsem.families.names import ModelFamily
from vocabsem.prompts.chat import Chat

__all__ = ["ModelCard", "Quantization"]

Quantization = Literal["torchao-int8", "bitsandbytes-int8", "bitsandbytes-int4"]


class ModelCard(Card):
    """A language model or sentence encoder: where it is and how large."""

    name: Name
    """Name of the card and of the model in tables."""
    description: Text
    """One sentence for people."""
    source: Text
    """Location of its bytes: `hf:org/name@revision`, `pypi:package==version/path` or `file:path`."""
    sha256: Sha256 | None = None
    """Of the file, or of the folder as `sources.digests.sha256_of` defines it; verified at download."""
    license: Text
    """Under which its bytes may be used."""
    citation: str | None = None
    """What to cite."""
    family: ModelFamily = "causal"
    """causal: predicts the next token; masked: the token at a mask; encoder_decoder: reads a text and writes another;
    encoder: makes a vector of a text, has no head."""
    prepend_bos: bool = False
    """Whether prompts start with the beginning-of-sequence token, as the training documents did; causal models only."""
    chat: bool = False
    """Whether a prompt is a user's turn in the tokenizer's chat template, answered by the next turn; causal only."""
    system: Text | None = None
    """System prompt before that turn; without one, what the chat template has by default."""
    quantization: Quantization | None = None
    """How the weights of linear layers, the head aside, are quantized while the model is loaded; causal models only.
    torchao-int8: also on a CPU; bitsandbytes: on a GPU. Each needs its extra of the package's name."""
    max_tokens: Positive = 512
    """Longest prompt in tokens; longer ones are truncated in the text field and counted."""
    context: Positive = 1024
    """Most tokens of demonstrations and prompt together."""
    parameters: Positive
    """All weights, shared ones counted once."""
    layers: Positive
    """Number of layers."""
    hidden_size: Positive
    """Width d of a state."""
    vocabulary_size: Positive
    """Rows of the head, padding included; of an encoder's embedding."""

    @property
    def adds_special_tokens(self) -> bool:
        """Whether prompts are enclosed in the tokens that the tokenizer adds, such as [CLS] and [SEP]."""
        return self.family != "causal"

    @property
    def begins_answers(self) -> bool:
        """Whether an answer is a text of its own, not what follows the prompt."""
        return self.family == "encoder_decoder"

    @property
    def conversation(self) -> Chat | None:
        """The chat that its prompts are turns of; None where they are plain text."""
        return Chat(self.system) if self.chat else None

    @model_validator(mode="after")
    def _check_first_token(self) -> Self:
        if self.family == "causal" and "prepend_bos" not in self.model_fields_set:
            raise ValueError("prepend_bos is missing: say true or false, as the training documents began")
        if self.family != "causal" and self.prepend_bos:
            raise ValueError(f"prepend_bos is for causal models: {self.family} ones get the tokens of their tokenizer")
        return self

    @model_validator(mode="after")
    def _check_quantization(self) -> Self:
        if self.quantization and self.family != "causal":
            raise ValueError(f"quantization is for causal models: take it out of the card of this {self.family} one")
        return self

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        if self.chat and self.family != "causal":
            raise ValueError(f"chat is for causal models: {self.family} ones answer no turn")
        if self.system is not None and not self.chat:
            raise ValueError("system is the system prompt of a chat: set chat: true, or take it out")
        return self
