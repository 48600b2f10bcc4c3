"""A server of the Model Context Protocol: an assistant reads the warehouse by named queries and by read-only SQL."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from vocabsem.errors import BadInput
from warehouse.catalog import catalog, limited, named_queries
from warehouse.catalog.export import write_table
from warehouse.errors import QueryRefused, WarehouseError
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa
    from mcp.server import MCPServer

INSTALL = "pip install 'vocabsem[mcp]'"
INSTRUCTIONS = (
    "Results of experiments on what a frozen language model knows about labeled tasks. Begin with list_queries and"
    " list_tables; `leaderboard` has the scores of the latest run of every experiment. Everything is read-only."
)
MAX_ROWS = 200  # of an answer, by default


def make_server(home: Home, timeout: float, memory: str) -> "MCPServer[Any]":
    """Return a server over the warehouse of a home. timeout, memory: limits of each query.

    Raises BadInput where the protocol's SDK is not installed.
    """
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    except ImportError:
        raise BadInput(f"the SDK of the Model Context Protocol is not installed: {INSTALL}") from None
    run = partial(limited.limited_query, timeout=timeout, memory=memory)

    def list_queries() -> list[dict[str, Any]]:
        """List the named queries: each a question, with its parameters and their defaults."""
        return [
            {"name": each.name, "question": each.question, "parameters": [asdict(p) for p in each.parameters.values()]}
            for each in named_queries.named_queries().values()
        ]

    def run_query(name: str, parameters: dict[str, str] | None = None, max_rows: int = MAX_ROWS) -> dict[str, Any]:
        """Run a named query. What is not among the parameters has its default."""
        return _answer(named_queries.run_named_query(home, name, parameters or {}, run), max_rows)

    def list_tables() -> list[dict[str, str]]:
        """List the tables, views and macros, each with its meaning."""
        return [{"name": each.name, "kind": each.kind, "comment": each.comment} for each in catalog.tables(home)]

    def describe_table(name: str) -> dict[str, Any]:
        """Describe the columns of a table or view, or the parameters of a macro."""
        tables = {each.name: each for each in catalog.tables(home)}
        if name not in tables:
            raise QueryRefused(f"there is no table {name!r}: there are {', '.join(tables)}")
        return asdict(tables[name])

    def run_sql(statement: str, max_rows: int = MAX_ROWS) -> dict[str, Any]:
        """Run one read-only statement of DuckDB's SQL over the warehouse."""
        return _answer(run(home, statement), max_rows)

    def explaining(tool: Callable[..., Any]) -> Callable[..., Any]:
        """Return the tool with errors that the assistant reads; any other error it learns nothing of."""

        @wraps(tool)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return tool(*args, **kwargs)
            except WarehouseError as error:
                raise ToolError(str(error)) from None

        return call

    server = MCPServer("vocabsem", instructions=INSTRUCTIONS, log_level="WARNING")
    tools: tuple[Callable[..., Any], ...] = (list_queries, run_query, list_tables, describe_table, run_sql)
    for tool in tools:
        server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))(explaining(tool))
    return server


def _answer(table: "pa.Table", max_rows: int) -> dict[str, Any]:
    """Return the first rows as JSON's values, with how many there are."""
    out = io.BytesIO()
    write_table(table[:max_rows], "json", out)
    return {"columns": table.column_names, "rows": json.loads(out.getvalue()), "row_count": len(table)}
