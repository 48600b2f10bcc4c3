"""Immutable partitions of files."""
