"""Predictions to metrics, intervals, comparisons, diagnostics."""
