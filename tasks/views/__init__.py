"""What commands call and no flow."""
