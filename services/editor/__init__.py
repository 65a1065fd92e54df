"""services/editor."""
