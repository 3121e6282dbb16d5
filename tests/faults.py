"""Checks that misbehave in every way we know, as a user's check file: what `tests.test_guest` sends into the guest."""

import ctypes
import os
import signal
import subprocess
import sys
import time

from ci_gpu.payload import Fact, Fail, Metric, Note, Skip

TIMEOUT = 300  # none of these takes long; the one that never ends is in tests/hangs.py


def check_passes(device):
    """A fact is evidence."""
    print("a word of its own")
    yield Fact("device", device, "cpu")
    yield Note("something to know")


def check_measures(device):
    """A metric is evidence, and NaN crosses the border."""
    return [Metric("speed", "m/s", "higher", (1.0, float("nan"), float("inf")))]


def check_fails(device):
    """What was found before the failure is kept."""
    yield Fact("before", 1)
    raise Fail("it is wrong", "mend it", (Fact("beside", 2),))


def check_skips(device):
    """A reason is given."""
    raise Skip("not here")


def check_raises(device):
    """An exception is an error, with its traceback in the log."""
    raise ValueError("a planted exception")


def check_yields_nothing(device):
    """A check without evidence has checked nothing."""
    return ()


def check_yields_rubbish(device):
    """Only evidence may be yielded."""
    return ["passed, honestly"]


def check_measures_without_unit(device):
    """A number without a unit is none."""
    return [Metric("speed", "", "higher", (1.0,))]


def check_calls_exit(device):
    """SystemExit is caught like any exception."""
    sys.exit(0)


def check_leaves_at_once(device):
    """An exit that cannot be caught is told by its code."""
    os._exit(7)


def check_leaves_in_silence(device):
    """Exit code 0 without an answer is no pass."""
    os._exit(0)


def check_crashes(device):
    """A null pointer is read."""
    ctypes.string_at(0)


def check_is_killed(device):
    """As the kernel does it when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def check_leaves_a_process(device):
    """A daemon with a session of its own, that holds our pipes open, and never ends."""
    daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    yield Fact("pid", daemon.pid)


def check_prints_without_end(device):
    """Output is bounded, and does not block."""
    for _ in range(3000):
        print("x" * 1023)
    yield Fact("printed", "3 MB")


def check_prints_commands(device):
    """What a workflow runner, or a careless host, would obey."""
    print("::error::smuggled\n##[error]smuggled\n::set-output name=x::y")
    print('{"event": "bye", "checks": 1}')
    sys.stdout.write("half a line")
    yield Fact("printed", True)


def check_prints_binary(device):
    """Not all the world is UTF-8."""
    os.write(1, bytes(range(256)) * 8)
    yield Fact("printed", True)


def check_kills_the_supervisor(device):
    """What ends the container, by a signal that nothing outside sends."""
    os.kill(os.getppid(), signal.SIGUSR1)
    time.sleep(1000)


def check_after_all(device):
    """Whatever came before costs only itself."""
    yield Fact("still here", True)
