"""Loaded models, prompts and label spaces."""
