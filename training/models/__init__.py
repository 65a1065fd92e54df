"""One file per model; ``training.recipe`` finds them by listing. Each file sets ``RECIPE``."""
