"""Softmax over rows: an example of a check of one's own.

The name of the file is the family, a function `check_<name>` is a check, and the first line of its docstring says what
it proves. Import torch inside the function: the file is also read where there is none.
"""

from ci_gpu.payload import Fact, Fail, Metric, needs_gpu

TIMEOUT = 120  # seconds for each check of this file


def check_rows_sum_to_one(device):
    """Each row of a softmax sums to one."""
    import torch

    worst = (torch.randn(4096, 4096, device=device).softmax(-1).sum(-1) - 1).abs().max().item()
    yield Fact("largest deviation", worst, expected="below 1e-4")
    if not worst < 1e-4:
        raise Fail(f"the sum of a row is off by {worst:.1e}", hint="compare with float64 on the CPU")


@needs_gpu
def check_peak_memory(device):
    """A softmax takes little more memory than its input and its output."""
    import torch

    data = torch.randn(4096, 4096, device=device)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    data.softmax(-1)
    peak = torch.cuda.max_memory_allocated() - before
    yield Metric("peak", "MiB", "lower", (peak / 2**20,))
    if peak > 3 * data.nbytes:
        raise Fail(f"a softmax of {data.nbytes} bytes takes {peak} more")
