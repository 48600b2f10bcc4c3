"""Instruments of neighboring papers, one module each: arrays in, figures out, each figure beside its null."""
