"""A process a library, which keeps its job and answers one question after another: both ends of the pipe.

Questions and answers are lines of JSON. So that libraries can be timed in turn, each child stays alive and idle
between its questions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 1800  # seconds of one attack
Answer = dict[str, Any]


class PeerFailed(Exception):
    """A peer's attack gave no answer; the message says why in one line."""


class Child:
    """A process that runs `module` with the job file, pinned to so many threads; `hello` is its first word."""

    def __init__(self, name: str, python: str, module: str, job: Path, threads: int) -> None:
        self.name, self.said = name, tempfile.TemporaryFile("w+")
        command = [python, "-m", "benchmarks.peers.pinned", str(threads), module, str(job)]
        try:
            self.process = subprocess.Popen(
                command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said
            )
        except OSError as error:
            raise PeerFailed(f"{name}: not run: {python}: {error.strerror}") from None
        self.hello = self._heard()

    def ask(self, **question: Any) -> Answer:
        """Return the answer; PeerFailed where the process ends or takes longer than LIMIT seconds."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what it died of is read below
        return self._heard()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.said.close()

    def _heard(self) -> Answer:
        """Return the next line of the process."""
        assert self.process.stdout is not None
        alarm = threading.Timer(LIMIT, self.process.kill)
        alarm.start()
        line = self.process.stdout.readline()
        alarm.cancel()
        if line:
            return json.loads(line)
        self.process.wait()
        self.said.seek(0)
        words = self.said.read().strip().splitlines() or [f"no message, or longer than {LIMIT} s"]
        raise PeerFailed(f"{self.name}: not run: {words[-1]}")


def answers(hello: Callable[[], Answer], do: dict[str, Callable[[Answer], Answer]]) -> None:
    """In a child: say hello, then answer every question by the function that its 'do' names, until none comes.

    Each answer says the peak memory so far. What libraries print goes to standard error.
    """
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({**hello(), "mib": peak_mib()}), file=pipe, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps({**do[question["do"]](question), "mib": peak_mib()}), file=pipe, flush=True)


def peak_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB.

    From the kernel's own count of this program where it has one: ru_maxrss starts at the parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
