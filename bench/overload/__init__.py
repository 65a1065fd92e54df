"""A live source at twice the capacity of one stage: ``python -m bench.overload``."""
