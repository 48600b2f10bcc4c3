"""Instruments of neighboring papers, one module each: arrays in, values out, each beside its null."""
