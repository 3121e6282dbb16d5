"""The checks: one file a family, one function named ``check_…`` a check. A new file is found by its name."""
