import pytest
import yaml

CARD = {
    "name": "small",
    "models": ["smollm2-135m-instruct"],
    "datasets": ["rotten_tomatoes"],
    "limits": {"train": 96, "validation": 40, "test": 48},
    "max_tokens": 48,
    "shard_rows": 16,
    "shots": [0, 4, "all"],
    "seeds": [0, 1],
    "methods": [
        "zero_shot",
        "anchor_similarity",
        "vocabulary_calibrator",
        {"method": "vocabulary_calibrator", "params": {"targets": "random"}},
        {"method": "linear_probe", "control": True},
    ],
    "champion": True,
}


@pytest.fixture(scope="session")
def card(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "small.yaml"
    path.write_text(yaml.safe_dump(CARD))
    return path
