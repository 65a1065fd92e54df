"""services/preprocess."""
