"""Compiled code in the user's cache folder: kept, bounded, named without the user's home, and only if possible."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import compilation_cache

PROGRAM = """
import jax
from audit import compilation_cache
compilation_cache.keep()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
print(jax.jit(lambda x: x * 3)(2.0), compilation_cache.named())
"""


def _run(**env):
    kept = {k: v for k, v in os.environ.items() if k not in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME")}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=kept | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_compiled_lies_in_the_users_cache_folder(tmp_path):
    said = _run(XDG_CACHE_HOME=str(tmp_path / "cache"), HOME=str(tmp_path))
    assert said.startswith("6.0") and "~/cache/jax-audit/xla" in said and str(tmp_path) not in said
    assert any((tmp_path / "cache" / "jax-audit" / "xla").iterdir())


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert _run(XDG_CACHE_HOME=str(tmp_path / "file")) == "6.0 {}\n"


def test_jax_can_be_told_to_keep_nothing(tmp_path):
    off = _run(JAX_ENABLE_COMPILATION_CACHE="false", XDG_CACHE_HOME=str(tmp_path))
    assert off == "6.0 {}\n" and not list((tmp_path / "jax-audit" / "xla").iterdir())


def test_a_folder_that_jax_was_told_is_left_alone(tmp_path):
    own = tmp_path / "own"
    said = _run(JAX_COMPILATION_CACHE_DIR=str(own), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert str(own) in said and not (tmp_path / "cache").exists()


def test_the_oldest_files_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "MOST", 250)
    for age in range(4):
        file = tmp_path / f"{age} days old"
        file.write_bytes(b"x" * 100)
        os.utime(file, (1e9 - 86400 * age,) * 2)
    compilation_cache._prune(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["0 days old", "1 days old"]
    compilation_cache._prune(tmp_path / "absent")


def test_the_folder_is_that_of_the_desktop_or_the_home(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert compilation_cache.place() == Path("/somewhere/jax-audit/xla")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert compilation_cache.place() == Path.home() / ".cache/jax-audit/xla"


@pytest.mark.parametrize("where", ["", "/elsewhere/xla"])
def test_only_a_folder_in_use_is_named(monkeypatch, where):
    monkeypatch.setattr(compilation_cache, "_folder", lambda: where)
    assert compilation_cache.named() == ({"compilation cache": where} if where else {})
