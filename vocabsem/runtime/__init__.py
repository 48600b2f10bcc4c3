"""What runs things: threads, devices, memory, waiting, libraries kept quiet."""
