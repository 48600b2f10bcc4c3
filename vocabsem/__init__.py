"""Vocabulary-defined semantics (arXiv 2401.16184): what a frozen language model knows about a labelled task.

Tensors in, tensors out: no Prefect, no MLflow, no DuckDB, no file layout.
"""
