"""services/editor/effects."""
