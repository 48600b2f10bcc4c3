"""A card to a plan: what is needed, what is there, what it costs."""
