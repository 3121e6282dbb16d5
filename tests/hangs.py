"""A check that never ends, with a time-out of its own: sent into the guest beside `tests/faults.py`."""

import signal
import time

from ci_gpu.payload import Fact

TIMEOUT = 1


def check_hangs(device):
    """Deaf to SIGTERM, too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
    yield Fact("never", True)
