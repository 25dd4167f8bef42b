"""One JAX device a processor that the process may use, unless JAX was told or has begun; what the compiler is told."""

import os
import subprocess
import sys

import pytest

from audit import devices

PROGRAM = """
import jax
from audit import processors
{before}
processors.share()
print(len(jax.devices()), processors.cpu_count())
"""


def _devices(before="", **env):
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    done = subprocess.run(command, env=kept | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(n) for n in done.stdout.split()]


def test_a_device_for_each_processor_that_the_process_may_use():
    found, processors = _devices()
    assert found == min(processors, 8)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_bound_to_one_processor_has_one_device():
    bound = "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])"
    assert _devices(bound) == [1, 1]


@pytest.mark.parametrize(
    ("before", "env"),
    [
        ("", {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}),
        ("", {"JAX_NUM_CPU_DEVICES": "3"}),
        ("jax.config.update('jax_num_cpu_devices', 3)", {}),
        ("jax.config.update('jax_num_cpu_devices', 3); jax.devices()", {}),
    ],
)
def test_what_jax_was_told_stays(before, env):
    assert _devices(before, **env)[0] == 3


def test_once_jax_has_begun_its_devices_stay():
    assert _devices("jax.devices()")[0] == 1


def test_options_that_the_compiler_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setitem(
        devices.COMPILER, "cpu", {"xla_backend_optimization_level": 1, "xla_of_another_day": True}
    )
    devices._understood.cache_clear()
    try:
        assert devices._understood("cpu") == {"xla_backend_optimization_level": 1}
        assert float(devices.compiled(lambda x: x + 1)(1.0)) == 2.0
    finally:
        devices._understood.cache_clear()


def test_the_compiler_knows_all_it_is_told():
    assert devices._understood("cpu") == devices.COMPILER["cpu"]
