"""Families of models behind one interface: causal language models, masked ones, sentence encoders."""
