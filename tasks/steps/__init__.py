"""What every task shares: steps, checks, reads of the lake."""
