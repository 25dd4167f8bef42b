"""Run a module on so many threads: python -m benchmarks.peers.pinned THREADS MODULE [ARGUMENTS].

The process is bound to as many processors, and OpenMP, MKL and XLA are told so, before JAX or PyTorch is
imported. 0 threads: as it is.
"""

from __future__ import annotations

import os
import runpy
import sys


def pin(threads: int) -> None:
    """Bind this process and what it will import to so many processors."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


if __name__ == "__main__":
    if int(sys.argv[1]):
        pin(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
