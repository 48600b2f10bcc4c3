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


def test_a_home_in_a_bucket_has_a_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = Home.find("s3://our-bucket/a/b.c/")
    assert (home.url, str(home)) == ("s3://our-bucket/a/b.c", "s3://our-bucket/a/b.c")
    assert home.root.parent == tmp_path / "vocabsem" / "homes"
    assert Home.find(str(home)) == home
    monkeypatch.setenv("VOCABSEM_HOME", "s3://our-bucket/a/b.c")
    assert Home.find() == home
    others = {Home.find(f"s3://{name}").root for name in ("our-bucket", "our-bucket/a", "other-bucket/a/b.c")}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")  # a bucket of the same name elsewhere
    others.add(Home.find().root)
    assert len(others - {home.root}) == 4
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "url", "variable"),
    [
        ("gs://our_bucket/a", "gs://our_bucket/a", "GOOGLE_BASE_URL"),
        ("abfs://our-container/a/", "abfs://our-container/a", "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://our-container/a", "abfs://our-container/a", "AZURE_STORAGE_ENDPOINT"),
    ],
)
def test_homes_in_buckets_of_other_stores(tmp_path, monkeypatch, given, url, variable):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = Home.find(given)
    assert (home.url, str(home)) == (url, url)
    assert Home.find(str(home)) == home
    monkeypatch.setenv(variable, "another")  # account or endpoint
    assert Home.find(given).root != home.root


def test_the_name_of_a_local_home_finds_it(tmp_path):
    home = Home.find(tmp_path / "home")
    assert home.url is None
    assert Home.find(str(home)) == home


@pytest.mark.parametrize(
    "address",
    [
        *("s3://", "s3://ab", "s3://Our-Bucket", "s3://our_bucket", "s3://bucket//a", "s3://bucket/../a", "s3:///a"),
        *("s3://bucket/a?b", "s3://bucket/a#b", "s3://bucket/a b", "s3://bucket/\x1b[31m", "gs://Bucket/a"),
        *("abfs://container@account/a", "https://host/a", "s3://key:secret@bucket/a", "file:///tmp/home"),
        *("az://our_container/a", "abfs://container/a?sig=secret", "hdfs://host/a"),
    ],
)
def test_other_addresses_are_refused_without_being_quoted(address):
    with pytest.raises(InvalidName, match="the home is no s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or abfs") as raised:
        Home.find(address)
    assert raised.value.exit_code == 2
    assert "secret" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
