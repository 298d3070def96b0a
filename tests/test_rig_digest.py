"""By what a rig is known again, so that it is learnt once."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.adapting.adapter import rig_digest
from mocapcli.types import Asset
from mocapcli.zoo.api import make_creature


@pytest.fixture(scope="module")
def creature() -> Asset:
    return make_creature(3)


def test_the_digest_knows_what_matters(creature: Asset) -> None:
    same = replace(creature, rig=replace(creature.rig, name="another name"))
    assert rig_digest(same, True) == rig_digest(creature, True)
    moved = replace(creature.rig.skeleton, rest_translations=creature.rig.skeleton.rest_translations * 1.01)
    assert rig_digest(replace(creature, rig=replace(creature.rig, skeleton=moved)), True) != rig_digest(creature, True)
    assert rig_digest(creature, True) != rig_digest(creature, False)
    assert rig_digest(creature.with_motions([]), True) != rig_digest(creature, True)
    mesh, first = creature.rig.mesh, creature.motions[0]
    assert mesh is not None
    shifted, painted = mesh.inverse_binds.copy(), replace(mesh.materials[0], base_colour=(0.1, 0.2, 0.3, 1.0))
    shifted[0, 0, 3] += 0.1
    others = [replace(mesh, inverse_binds=shifted), replace(mesh, bind_joints=np.roll(mesh.bind_joints, 1))]
    others += [replace(mesh, materials=(painted, *mesh.materials[1:]))]
    rigs = [replace(creature, rig=replace(creature.rig, mesh=other)) for other in others]
    rigs += [creature.with_motions([replace(first, fps=2 * first.fps), *creature.motions[1:]])]
    assert len({rig_digest(asset, True) for asset in (creature, *rigs)}) == 1 + len(rigs)


def scaled(asset: Asset, factor: float) -> Asset:
    skeleton, mesh = asset.rig.skeleton, asset.rig.mesh
    assert mesh is not None
    binds = mesh.inverse_binds.copy()
    binds[:, :3, 3] *= factor
    rig = replace(
        asset.rig,
        skeleton=replace(skeleton, rest_translations=skeleton.rest_translations * factor),
        mesh=replace(mesh, vertices=mesh.vertices * np.float32(factor), inverse_binds=binds),
    )
    return Asset(rig, tuple(replace(motion, translations=motion.translations * factor) for motion in asset.motions))


def test_a_rig_is_known_at_any_size(creature: Asset) -> None:
    """A tenth of a micrometre is not nothing."""
    for factor in (2.0**-23, 128.0):  # of two, for what is rounded is rounded alike
        assert rig_digest(scaled(creature, factor), True) == rig_digest(creature, True)
