"""Random SIGKILLs over small suites: ``python -m tests.kill --count 100 --seed 0``."""
