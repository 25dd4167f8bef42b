"""Signs that an attack works: every planted mask is flagged, no honest model is."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks"))
from model_zoo import HONEST, MASKED, Specimen

from audit.attacks.autoattack import stages
from audit.checks.robustness_autoattack import AutoAttackOptions, autoattack
from audit.memory_maps import make_room
from audit.registry import Context
from audit.subject import Dataset, DecisionRule, Model, Split, Subject, observe
from audit.trials import hygiene
from audit.trials.search import search, walk_rows

CONTEXT = Context(key=jax.random.key(3), seed=3)


@pytest.fixture(autouse=True)
def room_for_each_model():
    """Dozens of models are compiled here, more than one process can hold."""
    make_room()


def _subject(specimen: Specimen) -> Subject:
    """Return the specimen as a subject."""
    apply, params, x, y, meta = specimen
    classes = tuple(str(i) for i in range(int(y.max()) + 1))
    binary = len(classes) == 2 and meta.loss.threshold is not None
    rule = DecisionRule("threshold", meta.loss.threshold) if binary else DecisionRule("argmax")
    data = Dataset(
        name="digits",
        task="binary" if len(classes) == 2 else "multiclass",
        modality="image",
        splits={"test": Split(x.astype(np.float32), y, np.arange(len(y)))},
        classes=classes,
        low=np.float32(meta.low) * np.ones((1, 1, 1), np.float32),
        high=np.float32(meta.high) * np.ones((1, 1, 1), np.float32),
    )
    return observe(Model("zoo", apply, params, meta.loss.outputs, rule), data)


def _warnings(specimen: Specimen, stages_tried: int = 2) -> list[str]:
    """Return what warns after AutoAttack's first stages: APGD-CE, APGD-T; on the specimen's own radius."""
    s = search(_subject(specimen), None, "cross-entropy", CONTEXT)
    eps, standing = specimen.meta.eps, s.target.correct.copy()
    suite = stages("standard", s.subject.model.apply, "linf", s.loss, len(s.subject.data.classes))
    for stage in suite[:stages_tried]:
        at = np.flatnonzero(standing)
        standing[at] &= ~walk_rows(s, stage.walk, "linf", eps, at).felled
    probes = [hygiene.general(s), hygiene.probe(s, "linf", eps, standing)]
    return [f"{g.what}: {g.value:.3g}" for g in hygiene.together(probes)[0] if g.result == "warn"]


@pytest.mark.parametrize("name", ["adversarial training, 0.10"])
@pytest.mark.slow
def test_an_honest_model_is_not_flagged(name):
    assert _warnings(HONEST[name](0)) == []


@pytest.mark.parametrize("name", ["noise and gradients of random sign"])
def test_a_masked_gradient_is_flagged(name):
    assert _warnings(MASKED[name](0))


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKED)
def test_every_planted_mask_is_flagged_in_each_of_twenty_seeds(name):
    missed = [seed for seed in range(20) if not _warnings(MASKED[name](seed))]
    assert not missed


FLAT = "logits at temperature 5"


@pytest.mark.slow
def test_where_the_cross_entropy_alone_is_too_weak_the_attack_is_flagged_for_it():
    found = _warnings(HONEST[FLAT](0), stages_tried=1)  # the ascent spreads over all classes
    assert [line.split(":")[0] for line in found] == ["a search without gradients fells no more rows"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(HONEST))
def test_no_honest_model_is_flagged(name):
    assert len(HONEST) >= 20
    assert {seed: found for seed in range(2) if (found := _warnings(HONEST[name](seed)))} == {}


@pytest.mark.slow
def test_what_a_probe_fells_counts_and_a_doubt_bars_only_pass():
    specimen = MASKED["8 levels a pixel"](0)
    options = AutoAttackOptions(eps=(specimen.meta.eps,), rows=64, annealed=False)
    found = autoattack(_subject(specimen), options, CONTEXT)
    robust = next(m for m in found.measurements if m.name == "robust_accuracy")
    assert "signs that the attack works are missing" in robust.estimate.doubt
    assert robust.estimate.side == "at most"
