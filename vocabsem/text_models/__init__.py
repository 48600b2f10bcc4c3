"""Texts in, states or probabilities out; adapters trained inside the model."""
