"""Checkpoints on disk to a loaded language model."""
