import os

import pytest

from warehouse.errors import InvalidName
from warehouse.home import Home

MISREAD = {
    "what?/home": "has a question mark",
    "what?": "has a question mark",
    "100%25": "has %25, which MLflow takes for '%'",
    "a%2Fb": "has %2F, which MLflow takes for '/'",
    "two\nlines": "has control characters",
    os.fsdecode(b"caf\xe9"): "has control characters or bytes that are no UTF-8",
}


@pytest.mark.parametrize("name", MISREAD)
def test_a_home_that_would_be_taken_for_another_is_refused(tmp_path, monkeypatch, name):
    with pytest.raises(InvalidName, match=rf"{MISREAD[name]}.*choose another"):
        Home.find(tmp_path / name)
    monkeypatch.setenv("VOCABSEM_HOME", str(tmp_path / name))
    with pytest.raises(InvalidName, match=MISREAD[name]):
        Home.find()


@pytest.mark.parametrize("name", ["it's 100% #1", "é数据\u3000😀", "a&b;c$d", 'say "so"', "%zz%2", "back\\slash"])
def test_other_names_are_homes(tmp_path, name):
    assert Home.find(tmp_path / name).root == tmp_path / name
