"""A user's checks that do what the environment says, on the GPU that the stand-in of torch has."""

import os
import signal
import time

from ci_gpu.payload import Fact, Fail, Metric, Skip, without_gpu

TIMEOUT = 2


def check_first(device):
    """What STATE_CHECK says happens here."""
    import torch

    word, _, text = os.environ.get("STATE_CHECK", "").partition(":")
    if device == "cuda" and word not in ("untouched", "vanish"):
        torch.cuda.init()
    if word in ENDS:
        ENDS[word](text)
    if word == "impossible":
        yield Metric("speed", "TFLOP/s", "higher", (2000.0,), limit=989.0)
    if word == "measure":
        yield Metric("speed", "TFLOP/s", "higher", (100.0, 101.0, 99.0), limit=989.0)
    if word != "empty":
        yield Fact("there", True)


def _raise(error):
    raise error


def _kill(_):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def _vanish(_):
    """As where a call of torch's finds no GPU that was there when the run began, and says it in words of its own."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    raise RuntimeError("the device is not there")


ENDS = {
    "raise": lambda text: _raise(RuntimeError(text)),
    "vanish": _vanish,
    "wrong": lambda _: _raise(Fail("it is wrong", "mend it")),
    "skip": lambda _: _raise(Skip("not here")),
    "exit": lambda _: os._exit(3),
    "crash": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda _: time.sleep(1000),
    "kill": _kill,
}


def check_second(device):
    """The same GPU, a check later: STATE_LATER is what is said there."""
    import torch

    if device == "cuda" and os.environ.get("STATE_CHECK") != "untouched":
        torch.cuda.init()
    if os.environ.get("STATE_CHECK") == "skip":
        raise Skip("not here")
    if os.environ.get("STATE_LATER"):
        raise RuntimeError(os.environ["STATE_LATER"])
    yield Fact("there", True)


@without_gpu
def check_file(device):
    """Looks at no GPU."""
    if os.environ.get("STATE_CHECK") == "skip":
        raise Skip("not here")
    yield Fact("there", True)
