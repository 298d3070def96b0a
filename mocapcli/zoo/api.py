"""`make_creature`: a seed to a whole animated asset."""

from collections.abc import Callable
from zlib import crc32

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.errors import UsageError
from mocapcli.kinematics import compose, continuous, inverse_affine, matrix_to_quat, quat_to_matrix, transform_asset
from mocapcli.types import Asset, Mesh, Motion, Rig, Skeleton
from mocapcli.zoo import beasts, bugs, myths, oddities
from mocapcli.zoo.axes import AXES, Axes, joint_frames
from mocapcli.zoo.body import Body, build_body, deforming
from mocapcli.zoo.layers import stand
from mocapcli.zoo.mesh import TINTS, Skin, build_skin
from mocapcli.zoo.paint import Paint, paint
from mocapcli.zoo.plan import Plan, lopsided
from mocapcli.zoo.puppet import Puppet
from mocapcli.zoo.repertoire import FPS, abilities, perform

KINDS: dict[str, Callable[[np.random.Generator], Plan]] = {
    "bat": myths.bat,
    "biped": beasts.biped,
    "bird": beasts.bird,
    "centaur": myths.centaur,
    "dragon": beasts.dragon,
    "fish": oddities.fish,
    "hydra": myths.hydra,
    "insect": bugs.insect,
    "kitsune": beasts.kitsune,
    "longneck": beasts.longneck,
    "naga": myths.naga,
    "octopus": oddities.octopus,
    "quadruped": beasts.quadruped,
    "scorpion": bugs.scorpion,
    "snake": oddities.snake,
    "spider": bugs.spider,
    "theropod": beasts.theropod,
    "wyvern": beasts.wyvern,
}
COMMON = {"biped": 4.0, "quadruped": 4.0, "bird": 2.0, "dragon": 2.0, "theropod": 2.0, "insect": 1.5, "fish": 1.5}
PEOPLE = ("biped", "centaur", "naga")
SHAPE, LOOK, MOVES, FRAMES, KIND = range(5)  # independent streams of one seed


def make_creature(seed: int, kind: str | None = None, axes: Axes | None = None) -> Asset:
    """A rigged, skinned, painted creature with three to six clips; the same for the same arguments.

    `axes` fixes the convention of the local joint frames and changes nothing that can be seen.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no creature called {kind!r}", remedy=f"known: {', '.join(KINDS)}")
    if axes is not None and axes not in AXES:
        raise UsageError(f"no axis convention called {axes!r}", remedy=f"known: {', '.join(AXES)}")
    if seed < 0:
        raise UsageError(f"a seed must not be negative, not {seed}")
    kind = kind or _common_kind(seed)
    word = crc32(kind.encode())
    shape, look, moves, frames = (np.random.default_rng([seed, word, n]) for n in (SHAPE, LOOK, MOVES, FRAMES))
    body = build_body(lopsided(KINDS[kind](shape), shape), shape)
    skin = build_skin(body, int(look.integers(2000, 4200)))
    roles = ["hips" if joint == body.trunk else body.labels[joint].role for joint in skin.indices[:, 0]]
    coat = paint(skin, roles, kind in PEOPLE, look)
    size = float(np.exp(look.uniform(np.log(0.4), np.log(3.0))))
    drawn = str(frames.choice(AXES))
    gauge = joint_frames(body, axes or drawn, frames)  # type: ignore[arg-type]
    rest = _rest_pose(body, moves)
    puppets = [(name, perform(body, name, moves)) for name in _choose(abilities(body.plan), moves)]
    skeleton = _skeleton(body, rest, gauge)
    rig = Rig(skeleton, _mesh(body, skin, coat, gauge), f"{kind}-{seed:06d}")
    motions = tuple(_motion(name, puppet, gauge) for name, puppet in puppets)
    return transform_asset(Asset(rig, motions), size)


def _common_kind(seed: int) -> str:
    """Any kind; those that real rigs are mostly of come more often."""
    odds = np.array([COMMON.get(kind, 1.0) for kind in KINDS])
    return str(np.random.default_rng([seed, KIND]).choice(list(KINDS), p=odds / odds.sum()))


def _choose(known: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """Three to six clips, the first ability always among them, in their order."""
    count = min(int(rng.integers(3, 7)), len(known))
    others = rng.permutation(len(known) - 1)[: count - 1] + 1
    return [known[0], *(known[i] for i in sorted(others))]


def _rest_pose(body: Body, rng: np.random.Generator) -> Puppet:
    """Mostly the drawn pose; else at ease (arms down, wings shut), or slightly bent at random."""
    puppet, luck = Puppet(body, 1), rng.random()
    if luck < 0.15:
        stand(puppet)
    elif luck < 0.3:
        for joint, label in enumerate(body.labels):
            if label.kind == "limb":
                puppet.rotations[0, joint] = Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_quat()
    return puppet


def _local(
    puppet: Puppet, gauge: Float[np.ndarray, "joints 3 3"]
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
    """The puppet's local transforms, seen in frames turned by `gauge`."""
    rotations, translations = puppet.finish()
    parents = puppet.body.parents
    outer = np.where((parents >= 0)[:, None, None], gauge[parents], np.eye(3))
    back = np.swapaxes(outer, -1, -2)
    matrices = back @ quat_to_matrix(rotations) @ gauge
    return matrix_to_quat(matrices), np.einsum("jik,tjk->tji", back, translations)


def _skeleton(body: Body, rest: Puppet, gauge: Float[np.ndarray, "joints 3 3"]) -> Skeleton:
    rotations, translations = _local(rest, gauge)
    return Skeleton(body.names, body.parents, translations[0], rotations[0])


def _motion(name: str, puppet: Puppet, gauge: Float[np.ndarray, "joints 3 3"]) -> Motion:
    rotations, translations = _local(puppet, gauge)
    return Motion(name, FPS, continuous(rotations), translations)


def _mesh(body: Body, skin: Skin, coat: Paint, gauge: Float[np.ndarray, "joints 3 3"]) -> Mesh:
    """The skin with one bind per deforming joint."""
    joints = np.flatnonzero(deforming(body))
    place = np.zeros(len(body.names), dtype=np.int32)
    place[joints] = np.arange(len(joints))
    bind = compose(matrix_to_quat(gauge[joints]), body.heads[joints])
    first = skin.faces[:, 0]
    sorts = np.where(skin.thin[first], 2, np.where(skin.tints[first] == TINTS.index("skin"), 0, 1))
    used, materials = np.unique(sorts, return_inverse=True)
    return Mesh(
        skin.vertices,
        skin.faces,
        place[skin.indices],
        skin.weights,
        joints,
        inverse_affine(bind),
        skin.normals,
        coat.uvs,
        coat.colours,
        materials,
        tuple(coat.materials[n] for n in used),
    )
