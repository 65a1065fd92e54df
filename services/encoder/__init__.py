"""services/encoder."""
