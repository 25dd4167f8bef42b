"""Compiled code is dropped before the process runs out of memory maps, and only then."""

import gc
import sys

import jax
import jax.numpy as jnp
import pytest

from audit import memory_maps


def _held():
    return memory_maps.HELD.read_bytes().count(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell its memory maps")
def test_many_compiled_functions_are_dropped_before_the_maps_run_out(tmp_path, monkeypatch):
    jax.clear_caches()
    before = _held()
    kept = [jax.jit(lambda x, k=k: jnp.sort(x + k) @ x) for k in range(30)]
    for f in kept:
        f(jnp.arange(5.0))
    compiled = _held()
    assert compiled > before + 30  # or there is nothing to make room for
    limit = tmp_path / "max_map_count"
    monkeypatch.setattr(memory_maps, "LIMIT", limit)
    limit.write_text(f"{compiled * 3}\n")
    assert not memory_maps.make_room()
    limit.write_text(f"{before}\n")
    assert memory_maps.make_room()
    gc.collect()
    assert _held() < compiled - 30
    assert kept[3](jnp.arange(5.0)) == sum(k * (k + 3) for k in range(5))


def test_where_the_system_does_not_say_nothing_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_maps, "LIMIT", tmp_path / "absent")
    monkeypatch.setattr(jax, "clear_caches", lambda: pytest.fail("dropped"))
    assert not memory_maps.make_room()
