"""The rows of a partition of anchors, and what is published with them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from torch import Tensor

from tasks.steps.checks import finite, norm_range
from tasks.steps.facts import AnchorsFacts
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.manifest import Check, FileEntry
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


def anchor_table(
    first: int, names: Sequence[str], anchors: Tensor, norm: Tensor, leverage: Tensor, weight: Tensor, bias: np.ndarray
) -> pa.Table:
    """Return one row a token, from token `first` on: of float64 anchors (N, d) and of head rows (N, d)."""
    return pa.table(
        {
            "token_id": pa.array(range(first, first + len(names)), pa.int32()),
            "token": pa.array(names, pa.string()),
            "leverage": pa.array(leverage.numpy(), pa.float64()),
            "norm": pa.array(norm.numpy(), pa.float64()),
            "head_norm": pa.array(weight.double().norm(dim=1).numpy(), pa.float64()),
            "bias": pa.array(bias, pa.float32()),
            "anchor": vectors(anchors.float().numpy()),
            "head": vectors(weight.numpy()),
        }
    )


def publish_anchors(
    home: Home,
    step: Step[AnchorsSpec],
    files: Sequence[FileEntry],
    facts: AnchorsFacts,
    full_rank: int,
    norm: np.ndarray,
) -> None:
    """Publish the files, checked by the norms (N,) of all anchors. Raises CheckFailed."""
    checks = [
        Check(
            name="full rank",
            passed=facts.rank == full_rank,
            detail=f"rank {facts.rank} of {full_rank}",
            severity="warn",  # the pseudo-inverse ignores the missing directions
        ),
        Check(name="residual below 1e-6", passed=facts.residual < 1e-6, detail=f"{facts.residual:.2g}"),
        finite(norm, "norms of anchors"),
        norm_range(norm),
    ]
    step.publish(Lake(home), files, facts, checks)
