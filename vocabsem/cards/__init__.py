"""Cards of models and data sets: typed, read from YAML."""
