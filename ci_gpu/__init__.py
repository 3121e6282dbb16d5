"""ci-gpu: find out what a CUDA image does on your GPU before you merge it."""

__version__ = "1.0.0"
