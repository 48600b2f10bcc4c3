"""TabICL, a pretrained model of tables, on the principal components of states."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import BadInput, DataError, VocabsemError
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.folds import sample_rows
from vocabsem.methods._solvers.principal_axes import principal_axes
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.sources.digests import sha256_of
from vocabsem.sources.hub import fetch_from_hub

__all__ = ["TabICL"]

REPOSITORY = "jingang/TabICL"
CHECKPOINT = "tabicl-classifier-v2-20260212.ckpt"  # 110 MB, BSD-3-Clause
ROWS = 1024  # predicted at a time: the network holds 128 numbers of each component of each row
LEAST = np.finfo(np.float32).tiny  # of a probability


class TabICL(StandardizedMethod):
    """Answers of a network that reads labeled rows beside a new one: Qu et al. 2026, "TabICLv2" (arXiv 2602.11139).

    Nothing is trained here: `fit` stores z A of labeled rows, z the standardized state and A their first principal
    axes, for the network was trained on tables of 100 columns at most. It averages the answers to several orders of
    columns and classes; more than 10 classes are predicted by a hierarchy of such answers.

    Needs the extra `tabicl`. The weights come from a hub, into its cache; a checkpoint is read by torch with
    `weights_only`, which executes nothing.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side.
    n_components : int, default=100
        Principal components at most.
    n_estimators : int, default=8
        Orders of columns and classes.
    max_rows : int, default=2000
        At most so many labeled rows are stored.
    checkpoint : str, default="tabicl-classifier-v2-20260212.ckpt"
        A file of jingang/TabICL on the hub, or the path of a file, with a slash in it.
    sha256 : str, default=""
        Of a file that `checkpoint` gives the path of.
    device : str, default="cpu"
        A torch device.
    random_state : int, default=0
        Draws rows and orders.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    axes_ : ndarray of shape (D, m), float32
        A.
    rows_ : ndarray of shape (N, m), float32
        z A of the labeled rows.
    labels_ : ndarray of shape (N,), int64
        Their classes.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import TabICL
    >>> TabICL().fit(X, y).predict(X).tolist()  # doctest: +SKIP
    [0, 0, 1, 1]
    """

    name = "tabicl"
    package = "tabicl"
    temperature_folds = 0
    fit_copies = (8.0, 0.3)
    takes_random_state = True
    trains = True
    positive = ("n_components", "n_estimators", "max_rows")

    axes_: NDArray[np.float32]
    rows_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        n_components: int = 100,
        n_estimators: int = 8,
        max_rows: int = 2000,
        checkpoint: str = CHECKPOINT,
        sha256: str = "",
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers)
        self.n_components = n_components
        self.n_estimators = n_estimators
        self.max_rows = max_rows
        self.checkpoint = checkpoint
        self.sha256 = sha256
        self.device = device
        self.random_state = random_state

    def require(self) -> None:
        """Check that the package is installed, and fetch and check the weights.

        Raises
        ------
        BadInput
            No package.
        DataError
            No weights, or a file that holds others.
        """
        if find_spec(self.package) is None:
            raise BadInput(
                "method tabicl needs the package tabicl: pip install 'vocabsem[tabicl]', or take the method out"
            )
        file = self._file()
        try:
            stored = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            whole = {"config", "state_dict"} <= stored.keys()
        except Exception:  # torch raises many kinds for bytes that it cannot read
            whole = False
        if not whole:
            raise DataError(f"method tabicl: {file} is no checkpoint of tabicl: give another as checkpoint")

    def _file(self) -> Path:
        """Return where the weights lie, fetched if need be."""
        if "/" in self.checkpoint:
            return self._local_file(Path(self.checkpoint).expanduser())
        from huggingface_hub import constants, try_to_load_from_cache

        cached = try_to_load_from_cache(REPOSITORY, self.checkpoint)
        if isinstance(cached, str):
            return Path(cached)
        cache = Path(constants.HF_HUB_CACHE)
        what = f"method tabicl: its weights {self.checkpoint!r} of {REPOSITORY} are not in {cache}"
        fix = "give the path of a copy as checkpoint"
        try:
            file = fetch_from_hub(REPOSITORY, "main", [self.checkpoint], cache)[0] / self.checkpoint
        except VocabsemError:
            raise DataError(f"{what}, and the hub gives none: check the network and HF_ENDPOINT, or {fix}") from None
        if not file.exists():
            raise DataError(f"{what}, and the hub has no such file: {fix}, or leave it out")
        return file

    def _local_file(self, file: Path) -> Path:
        if not file.is_file():
            raise DataError(f"method tabicl: no file {self.checkpoint!r}, which checkpoint names: correct the path")
        if (given := sha256_of(file)) != self.sha256:
            raise DataError(
                f"method tabicl: checkpoint {self.checkpoint!r} has the sha256 {given}, and the card says"
                f" {self.sha256!r}: give the one it has, which keeps its results apart from those of other weights"
            )
        return file

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.require()
        self._standardize(background)
        kept = sample_rows(labels, self.max_rows, self.random_state)
        z, self.labels_ = self._standardized(states[kept]), np.asarray(labels[kept], np.int64)
        axes = principal_axes(z)[1][:, ::-1][:, : self.n_components]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
        self.axes_ = (axes * np.sign(largest)).astype(np.float32)  # else rows in another order could turn one round
        self.rows_ = np.asarray(z @ self.axes_, np.float32)

    def _network(self) -> Any:
        """Return the package's own classifier, given the labeled rows."""
        from tabicl import TabICLClassifier

        network = TabICLClassifier(
            n_estimators=self.n_estimators,
            batch_size=1,
            model_path=self._file(),
            allow_auto_download=False,
            device=self.device,
            random_state=self.random_state,
        )
        with torch.random.fork_rng(devices=[]):  # weights are drawn before they are read
            return network.fit(self.rows_, self.labels_)

    def _logits(self, states: Floats) -> Floats:
        network, columns = self._network(), self._standardized(states) @ self.axes_
        blocks = (columns[start : start + ROWS] for start in range(0, len(columns), ROWS))
        probabilities = np.concatenate([network.predict_proba(block) for block in blocks])
        logits = np.full((len(states), len(self.classes_)), np.log(LEAST))
        logits[:, network.classes_] = np.log(np.maximum(probabilities, LEAST))
        return logits
