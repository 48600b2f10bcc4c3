"""The table of losses in docs/findings.md against the page that a command wrote."""

import re

from tests.test_readme import ROOT, numbers, table

SHOTS = ("0", "1", "4", "16", "64", "256", "all")


def losses(page, dataset):
    """Shots → names of the best baselines, their score and ours, where they are more than .01 ahead."""
    rows = {name: numbers(cells) for name, cells in table(page, f"### {dataset}").items()}
    ours = rows["vocabulary_calibrator"]
    baselines = {name: scores for name, scores in rows.items() if not name.startswith("vocabulary_calibrator")}
    best = [max(scores[at] or 0.0 for scores in baselines.values()) for at in range(len(SHOTS))]
    return {
        shots: ({name for name, scores in baselines.items() if scores[at] == best[at]}, best[at], ours[at])
        for at, shots in enumerate(SHOTS)
        if round(best[at] - ours[at], 3) > 0.01
    }


def test_every_set_on_which_a_baseline_is_ahead_is_listed():
    page, findings = ((ROOT / "docs" / name).read_text() for name in ("rivals.md", "findings.md"))
    listed = table(findings, "The best baseline of `rivals` where it is more than .01 ahead, and the calibrator:")
    datasets = re.findall(r"^!\[macro-F1 by labeled examples per class on (\w+)\]", page, re.MULTILINE)
    assert len(datasets) == 11
    assert set(listed) == {dataset for dataset in datasets if losses(page, dataset)}
    for dataset, cells in listed.items():
        expected = losses(page, dataset)
        shown = {shots: cell for shots, cell in zip(SHOTS, cells, strict=True) if cell}
        assert list(shown) == list(expected), dataset
        for shots, cell in shown.items():
            name, best, ours = re.fullmatch(r"`(\w+)` (\.\d+) \((\.\d+)\)", cell).groups()
            assert name in expected[shots][0], (dataset, shots)
            assert (float(best), float(ours)) == expected[shots][1:], (dataset, shots)
