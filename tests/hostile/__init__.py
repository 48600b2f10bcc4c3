"""Input that must be refused, or kept from doing harm."""
