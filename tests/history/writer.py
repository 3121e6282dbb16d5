"""A process that adds records until it is killed: URL, its number, how many. It prints what is kept."""

from __future__ import annotations

import os
import sys
import time

from ci_gpu.history import stores
from ci_gpu.history.branch import Branch
from ci_gpu.history.stores.git import Git
from tests.history import records
from tests.history.git_data import REPOSITORY


def main(url: str, writer: int, many: int) -> None:
    """Every third record is also written by the neighbour."""
    store = stores.open_store(url, os.environ)
    if isinstance(store, Git):
        pause = lambda seconds: time.sleep(seconds / 8)  # noqa: E731
        store = Git(Branch("t", os.environ["GITHUB_API_URL"], REPOSITORY, "ci-gpu-history", pause=pause))
    for number in range(many):
        own = writer + 1 if number % 3 == 0 else writer
        names = [f"m{metric}" for metric in range(5)]
        measured = tuple(records.measurement(metric=name, value=float(number + 1)) for name in names[:: (-1) ** writer])
        record = records.record(number, run=f"run-{own}-{number}", measurements=measured)
        store.add(record)
        print(record.run, flush=True)
        time.sleep(0.2)  # a job writes once; nobody writes as fast as the store takes it


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
