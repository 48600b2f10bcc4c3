"""What solving the anchors of a large head takes, whole and by blocks."""

import sys

import pytest

from tests.load.anchors import in_a_process, save_model, solve_blocks, solve_whole

ROWS, WIDTH = 131072, 512
ANCHORS = 8 * ROWS * WIDTH  # bytes in float64: 537 MB

pytestmark = [pytest.mark.medium, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def test_blocks_take_a_small_part_of_the_anchors(tmp_path):
    card = save_model(tmp_path / "model", ROWS, WIDTH)
    whole, _ = in_a_process(solve_whole, tmp_path, card)
    blocks, _ = in_a_process(solve_blocks, tmp_path, card, (8192, 2048))
    assert whole > 1.5 * ANCHORS, "the measure sees them"
    assert blocks < 0.5 * ANCHORS, f"{blocks / 1e6:.0f} MB"
