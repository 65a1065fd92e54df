"""What is checked on a machine with a GPU; run by ``python -m deploy.gpu_acceptance``."""
