"""A forward pass to hidden states and log-probabilities."""
