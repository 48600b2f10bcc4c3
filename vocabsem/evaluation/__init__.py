"""Predictions to figures: metrics, intervals, comparisons, diagnostics."""
