"""The same audit on one and on two CPU devices: equal numbers to a tolerance, equal verdicts."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import jax, jax.numpy as jnp, numpy as np
import audit

assert len(jax.devices()) == int(sys.argv[1])
rng = np.random.default_rng(3)
x = rng.normal(size=(900, 3)).astype(np.float32)
y = (x @ [1.5, -1.0, 0.5] + rng.logistic(size=900) > 0).astype(int)
data = audit.from_arrays("arrays", "binary", x, y, groups={"sex": np.array(["a", "b"])[rng.integers(2, size=900)]},
                         classes=("no", "yes"), favourable="yes", low=[-5] * 3, high=[5] * 3)
params = {"w": rng.normal(size=(3, 16)), "v": rng.normal(size=(16, 1))}
params = {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}
model = audit.Model("net", apply=lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"], params=params)
config = {"name": "devices", "policy": "default",
          "checks": {"accuracy.overall": {}, "robustness.pgd": {"eps": [0.1]}, "fairness.groups": {},
                     "explanation.shapley": {}, "calibration.reliability": {}}}
record = audit.run(config, model=model, data=data, out=sys.argv[2], quick=True, reuse=False)
sys.stdout.buffer.write(record.to_bytes(volatile=False))
"""
TOLERANCE = 1e-5


def record(devices, out):
    flags = f"--xla_force_host_platform_device_count={devices}"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SCRIPT, str(devices), str(out)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=env).stdout)


def numbers(value, path=""):
    """Every number of a record by its path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in numbers(item, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in numbers(item, f"{path}/{i}").items()}
    return {path: value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


@pytest.mark.slow
def test_one_and_two_devices_agree(tmp_path):
    one, two = record(1, tmp_path / "1"), record(2, tmp_path / "2")
    assert [d["verdict"] for d in one["decisions"]] == [d["verdict"] for d in two["decisions"]]
    assert one["verdict"] == two["verdict"]
    left, right = numbers(one["results"]), numbers(two["results"])
    assert left.keys() == right.keys() and len(left) > 500
    worst = max(left, key=lambda key: abs(left[key] - right[key]))
    assert abs(left[worst] - right[worst]) <= TOLERANCE, worst
