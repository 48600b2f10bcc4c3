"""The server of the Model Context Protocol, called by the SDK's own client: in this process, and over its streams."""

import os
import sys

import anyio
import pytest

from flows.services import mcp_server
from tests.warehouse.lakes import DATASETS, fill
from vocabsem.errors import BadInput
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import named_queries
from warehouse.home import Home

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("mcp") / "home")
    fill(home)
    rebuild(home)
    return home


def call(server, *calls):
    """The results of the calls (tool, arguments), and the tools."""
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

    async def main():
        async with mcp.Client(server) as client:
            tools = (await client.list_tools()).tools
            return tools, [await client.call_tool(tool, arguments) for tool, arguments in calls]

    return anyio.run(main)


def served(home):
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    return mcp_server.make_server(home, timeout=60, memory="1GB")


def test_every_tool_only_reads_and_says_what_it_does(home):
    tools, _ = call(served(home))
    assert {tool.name for tool in tools} == {"list_queries", "run_query", "list_tables", "describe_table", "run_sql"}
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)


def test_queries_and_tables_are_listed_described_and_run(home):
    _, (queries, tables, leaderboard, rows, pivot) = call(
        served(home),
        ("list_queries", {}),
        ("list_tables", {}),
        ("describe_table", {"name": "leaderboard"}),
        ("run_query", {"name": "leaderboard", "parameters": {"dataset": "mr"}, "max_rows": 3}),
        ("run_sql", {"statement": "pivot leaderboard on dataset using count(*) group by experiment"}),
    )
    assert {each["name"] for each in queries.structured_content["result"]} == set(named_queries())
    assert {"leaderboard", "comparisons"} <= {each["name"] for each in tables.structured_content["result"]}
    assert {column["name"] for column in leaderboard.structured_content["columns"]} >= {"macro_f1", "control"}
    content = rows.structured_content
    assert (len(content["rows"]), content["row_count"]) == (3, 8)
    assert {row["dataset"] for row in content["rows"]} == {"mr"}
    expected = query(home, "from leaderboard").num_rows // len(DATASETS)
    assert pivot.structured_content["rows"] == [{"experiment": "quickstart", **dict.fromkeys(DATASETS, expected)}]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("run_sql", {"statement": "drop table models"}, "is no SELECT"),
        ("run_sql", {"statement": "from read_text('/etc/passwd')"}, "may not be used"),
        ("run_query", {"name": "leaderbord"}, "did you mean 'leaderboard'"),
        ("describe_table", {"name": "secrets"}, "there is no table 'secrets'"),
    ],
)
def test_what_is_refused_is_an_error_with_its_reason(home, tool, arguments, message):
    _, (result,) = call(served(home), (tool, arguments))
    assert result.is_error
    assert message in result.content[0].text


def test_an_assistant_starts_it_as_a_command(home):
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    words = ["-m", "flows.cli.main", "mcp", "--home", str(home.root)]
    server = mcp.StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
    _, (result,) = call(server, ("run_sql", {"statement": "select count(*) as n from runs"}))
    assert result.structured_content["rows"] == [{"n": 1}]


def test_without_the_sdk_the_fix_is_named(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(BadInput, match=r"pip install 'vocabsem\[mcp\]'"):
        mcp_server.make_server(home, timeout=60, memory="1GB")
