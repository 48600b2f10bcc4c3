"""The DuckDB catalog over the lake."""
