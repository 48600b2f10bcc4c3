import pytest

from warehouse.errors import InvalidName
from warehouse.home import Home


@pytest.mark.parametrize("name", ["what?/home", "what?"])
def test_a_home_with_a_question_mark_is_refused(tmp_path, monkeypatch, name):
    with pytest.raises(InvalidName, match=r"has a question mark.*choose another"):
        Home.find(tmp_path / name)
    monkeypatch.setenv("VOCABSEM_HOME", str(tmp_path / name))
    with pytest.raises(InvalidName, match="question mark"):
        Home.find()
