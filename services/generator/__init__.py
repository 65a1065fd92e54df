"""services/generator."""
