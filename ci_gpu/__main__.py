"""`python -m ci_gpu`."""

from ci_gpu.cli import main

main()
