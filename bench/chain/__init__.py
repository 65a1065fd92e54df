"""What four services cost that each take a frame and give one: ``python -m bench.chain``."""
