"""What cannot record a flow is refused before the flow begins."""

import pytest

from flows.services.prefect_api import in_process
from vocabsem.errors import BadInput
from warehouse.home import Home


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "http://localhost:9", "nonsense"])
def test_an_api_that_does_not_answer_is_named_with_its_variable(tmp_path, monkeypatch, url):
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(BadInput, match=rf"Prefect API at {url} does not answer \(.+unset PREFECT_API_URL"):
        in_process(Home(tmp_path)).__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["prefect/prefect.db", "mlflow.db"])
def test_a_damaged_database_is_refused_before_a_server_starts(tmp_path, monkeypatch, name):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    home = Home(tmp_path)
    home.prefect.mkdir()
    (home.root / name).write_bytes(b"no database" * 1000)
    with pytest.raises(BadInput, match=rf"{name} cannot be opened \(file is not a database\)"):
        in_process(home).__enter__()
    assert not (home.root / "logs").exists()
