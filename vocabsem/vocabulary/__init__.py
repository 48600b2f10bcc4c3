"""The vocabulary in latent space: semantic anchors, similarities, what they show."""
