"""Measurements that print machine, versions and ratios. Nothing here is part of the wheel or of a test."""
