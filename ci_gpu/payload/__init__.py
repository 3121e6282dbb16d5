"""What travels into the image. A check of your own imports from here, at home and abroad:

from ci_gpu.payload import Fact, Fail, Metric, Note, Skip, needs_gpu, on_every_gpu, without_gpu
"""

from .every_gpu import on_every_gpu
from .needs import needs_gpu, without_gpu
from .wire import Fact, Fail, Metric, Note, Skip

__all__ = ["Fact", "Fail", "Metric", "Note", "Skip", "needs_gpu", "on_every_gpu", "without_gpu"]
