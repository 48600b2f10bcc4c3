"""What a method's class says of itself, as data that can be compared, planned with and checked."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from vocabsem.blocks import HELD
from vocabsem.errors import CardError
from vocabsem.families.names import ModelFamily
from vocabsem.label_kinds import LabelKind

__all__ = ["Background", "Family", "MethodAttributes", "MethodInfo", "info_of"]

BLOCK = 1 << 27  # bytes of the states that are predicted at a time
STATES_LIMIT = 1 << 30  # bytes of all states that are fitted side by side; a fit holds them several times over
Family = Literal["states", "adapters", "texts"]
Background = Literal["train", "content_free", "domain_words", "none"]


@dataclass(frozen=True, kw_only=True)
class MethodInfo:
    """What its class says of a method, so that it can be planned without importing it."""

    name: str
    """As in cards and tables."""
    target: str
    """`module:Class`."""
    summary: str = field(default="", compare=False)
    """What it does, in a line for people."""
    family: Family = "states"
    """Fitted on stored states, an adapter that is trained inside the model, or fitted on texts without a model."""
    revision: int = 1
    """Raised when the method predicts otherwise than before: its fits are computed again."""
    needs_labels: bool = True
    """Whether it learns from labels."""
    works_without_labels: bool = False
    """Whether it can do without them although they are of use."""
    trains: bool = False
    """Whether fits to the same rows differ by their seed."""
    temperature_folds: int = 5
    """Held-out parts that fit a temperature; 0: `fit` calibrates by itself."""
    fixed_width: bool = True
    """Whether the number of columns is that of the vocabulary's space (times `layers`)."""
    takes_layers: bool = False
    """Whether it has a parameter `layers`: how many layers X holds side by side."""
    takes_random_state: bool = False
    """Whether it has a parameter `random_state`."""
    takes_sample_weight: bool = False
    """Whether `fit` takes weights of the labeled rows."""
    reads_vocabulary: bool = False
    """Whether `fit` needs `space.vocabulary`, whatever its parameters."""
    reads_vocabulary_with: tuple[str, ...] = ()
    """Settings, as `parameter=value`, with which `fit` needs it too."""
    reads_label_logits_alone: bool = False
    """Whether it reads states by `space.label_logits` alone, so that exact word scores can stand in their place."""
    models: tuple[ModelFamily, ...] = ("causal", "masked", "encoder_decoder", "encoder")
    """Families of models that it serves; a method that needs the vocabulary serves no encoder in any case."""
    label_kinds: tuple[LabelKind, ...] = ("nominal", "ordinal")
    """Kinds of labels that it serves; one of nominal labels takes those in order as if they had none."""
    background: Background = "train"
    """Prompts whose states are given as `unlabeled`."""
    learns_from_unlabeled: bool = False
    """Whether training texts without labels do more than center and scale states and the zero-shot probabilities."""
    learns_from_unlabeled_by: tuple[str, ...] = ()
    """Parameters by which it does: with all of them at 0 it does not."""
    fit_copies: tuple[float, float] = (8.0, 4.0)
    """What `fit` holds at most beside its states, in copies of the labeled and of the unlabeled ones: `fit_bytes`."""
    fits_in_blocks: bool = False
    """Whether `fit` reads labeled states in blocks where there are more of them than columns: no more are copied."""
    block_columns: int | None = None
    """Numbers in float64 that `fit` holds of each state, where more than 128 MB without labels are read in blocks."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Allowed values of parameters that are words."""
    positive: tuple[str, ...] = ()
    """Parameters that are above 0; other numbers may be 0."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters with their defaults; `space` and `random_state` are given by the run."""
    package: str = ""
    """Package, of the extra of its name, without which it does not fit; such a method is never a champion."""
    sha256: str = ""
    """Of the file that holds the class, where it is one beside a card."""

    def unserved(self, family: ModelFamily, params: Mapping[str, Any]) -> str | None:
        """Return why it does not serve models of a family with these parameters.

        Parameters
        ----------
        family : {"causal", "masked", "encoder_decoder", "encoder"}
            Of the model.
        params : mapping
            Parameters that differ from the defaults.

        Returns
        -------
        str or None
            None where it serves them.

        Examples
        --------
        >>> MethodInfo(name="mine", target="mine:Mine", reads_vocabulary=True).unserved("encoder", {})
        'it compares with every token of a vocabulary, and an encoder has none'
        """
        if family not in self.models:
            return f"it serves {' and '.join(self.models)} models"
        if family == "encoder" and self.needs_vocabulary(params):
            return "it compares with every token of a vocabulary, and an encoder has none"
        return None

    def needs_vocabulary(self, params: Mapping[str, Any]) -> bool:
        """Return whether `fit` needs `space.vocabulary` with these parameters.

        Parameters
        ----------
        params : mapping
            Parameters that differ from the defaults.

        Returns
        -------
        bool

        Examples
        --------
        >>> info = MethodInfo(name="mine", target="mine:Mine", reads_vocabulary_with=("words=all",))
        >>> info.needs_vocabulary({}), info.needs_vocabulary({"words": "all"})
        (False, True)
        """
        settings = {f"{name}={value}" for name, value in params.items()}
        return self.reads_vocabulary or not settings.isdisjoint(self.reads_vocabulary_with)

    def learns_from_texts(self, params: Mapping[str, Any]) -> bool:
        """Return whether it learns from training texts without labels with these parameters.

        Parameters
        ----------
        params : mapping
            Parameters that differ from the defaults.

        Returns
        -------
        bool

        Examples
        --------
        >>> info = MethodInfo(
        ...     name="mine", target="mine:Mine", learns_from_unlabeled=True, learns_from_unlabeled_by=("rounds",)
        ... )
        >>> info.learns_from_texts({}), info.learns_from_texts({"rounds": 0})
        (True, False)
        """
        off = [params.get(name) == 0 for name in self.learns_from_unlabeled_by]
        return self.learns_from_unlabeled and not (off and all(off))

    def fit_bytes(self, labeled: int, unlabeled: int, width: int, classes: int) -> int:
        """Return the bytes that `fit` holds at most beside its states, blocks of constant size aside.

        A method that fits in blocks copies as many states as they have columns, and the logits of all.

        Parameters
        ----------
        labeled, unlabeled : int
            Rows of either kind.
        width, classes : int
            Columns of a state, and C: logits are copied as states are.

        Returns
        -------
        int

        Examples
        --------
        >>> MethodInfo(name="mine", target="mine:Mine", fit_copies=(2, 1)).fit_bytes(1000, 500, 60, 5)
        800000
        """
        of_labeled, of_unlabeled = self.fit_copies
        held = min(labeled, width) if self.fits_in_blocks else labeled
        most = max(width, HELD // (4 * width))
        beside = unlabeled if self.block_columns is None else min(unlabeled, most)
        narrow = 8 * (self.block_columns or 0) * (labeled + unlabeled)
        logits = 4 * classes * (of_labeled * labeled + of_unlabeled * unlabeled)
        return int(4 * (width * (of_labeled * held + of_unlabeled * beside) + logits) + narrow)


class MethodAttributes:
    """The class attributes of a method and their defaults, as `MethodInfo` explains them.

    Examples
    --------
    >>> from vocabsem.methods import RidgeProbe
    >>> RidgeProbe.takes_layers, RidgeProbe.temperature_folds
    (True, 0)
    """

    name: ClassVar[str]
    family: ClassVar[Family] = "states"
    revision: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True
    works_without_labels: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    temperature_folds: ClassVar[int] = 5
    fixed_width: ClassVar[bool] = True
    takes_layers: ClassVar[bool] = False
    takes_random_state: ClassVar[bool] = False
    takes_sample_weight: ClassVar[bool] = False
    reads_vocabulary: ClassVar[bool] = False
    reads_vocabulary_with: ClassVar[tuple[str, ...]] = ()
    reads_label_logits_alone: ClassVar[bool] = False
    models: ClassVar[tuple[ModelFamily, ...]] = ("causal", "masked", "encoder_decoder", "encoder")
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("nominal", "ordinal")
    background: ClassVar[Background] = "train"
    learns_from_unlabeled: ClassVar[bool] = False
    learns_from_unlabeled_by: ClassVar[tuple[str, ...]] = ()
    fit_copies: ClassVar[tuple[float, float]] = (8.0, 4.0)
    fits_in_blocks: ClassVar[bool] = False
    block_columns: ClassVar[int | None] = None
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    positive: ClassVar[tuple[str, ...]] = ()
    package: ClassVar[str] = ""


GIVEN = ("space", "random_state")  # by the run, not by a card
PLAIN = (bool, int, float, str)


def info_of(method: type[Any], target: str, sha256: str = "") -> MethodInfo:
    """Return what a class says of itself: its attributes, and the parameters of its constructor.

    Parameters
    ----------
    method : type
        Its class.
    target : str
        `module:Class`.
    sha256 : str, default=""
        Of the file that holds the class, where it is one beside a card.

    Returns
    -------
    MethodInfo

    Raises
    ------
    CardError
        The class is no method: the class, what is wrong and the fix.

    Examples
    --------
    >>> from vocabsem.methods import ZeroShot
    >>> info_of(ZeroShot, "vocabsem.methods.zero_shot:ZeroShot").background
    'none'
    """
    names = [f.name for f in fields(MethodInfo) if f.name not in ("target", "summary", "params", "sha256")]
    parameters = inspect.signature(method).parameters
    params = {name: p.default for name, p in parameters.items() if name not in GIVEN}
    if missing := [name for name in names if not hasattr(method, name)]:
        base = "vocabsem.methods.Method" if missing != ["name"] else "a name"
        raise CardError(f"method {target}: {method.__name__} has no attribute {missing[0]!r}: give it {base}")
    given = {name: getattr(method, name) for name in names}
    summary = (inspect.getdoc(method) or "").partition("\n")[0]
    info = MethodInfo(**given, target=target, summary=summary, params=params, sha256=sha256)
    if not re.fullmatch(r"[a-z0-9_.-]+", info.name):
        raise CardError(f"method {target}: its name is {info.name!r}: use small letters, digits, _, . and -")
    if info.family == "states" and next(iter(parameters), "") != "space":
        raise CardError(f"method {target}: its constructor does not begin with 'space': def __init__(self, space, …)")
    for name, default in params.items():
        each = default if isinstance(default, tuple) and default else (default,)
        if not all(type(value) in PLAIN for value in each):
            raise CardError(
                f"method {target}: parameter {name} has the default {default!r}:"
                " give a bool, int, float, str or a tuple of them, so that a card can set it"
            )
    for flag, parameter in (("takes_layers", "layers"), ("takes_random_state", "random_state")):
        if getattr(info, flag) != (parameter in parameters):
            fix = f"give the class {flag} = {parameter in parameters}"
            raise CardError(f"method {target}: {flag} is {getattr(info, flag)}, unlike its constructor: {fix}")
    if info.family != "adapters" and info.takes_sample_weight != (
        "sample_weight" in inspect.signature(method.fit).parameters
    ):
        fix = "derive it from vocabsem.methods.WeightedMethod, or give fit a parameter sample_weight"
        raise CardError(f"method {target}: takes_sample_weight is {info.takes_sample_weight}, unlike its fit: {fix}")
    for name in ("_fit", "predict" if "continuous" in info.label_kinds else "_logits"):
        if info.family == "states" and getattr(method, name).__module__ == "vocabsem.methods.base":
            raise CardError(f"method {target}: {method.__name__} does not define {name}: see vocabsem.methods.Method")
    return info
