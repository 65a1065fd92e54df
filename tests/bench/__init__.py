"""Benchmarks run, and say what they found in one form. Their figures are nobody's business here."""
