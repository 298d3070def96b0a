"""A body for rigs without a mesh: tapered capsules along the bones, each rigid to the joint it starts from."""

import re

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Mesh, Rig, Skeleton

SIDES = 10  # corners of a cross-section
CAP_RINGS = 2  # rings of a rounded end, without its tip
LEFT = re.compile(r"(?:^|[^a-z])(?:l|left)(?![a-z])|(?:^|[^a-z])left|[a-z]Left(?=[A-Z]|$)|左", re.ASCII)
RIGHT = re.compile(r"(?:^|[^a-z])(?:r|right)(?![a-z])|(?:^|[^a-z])right|[a-z]Right(?=[A-Z]|$)|右", re.ASCII)
SIDE_COLOURS = {"left": (0.80, 0.22, 0.08), "right": (0.08, 0.30, 0.75), "centre": (0.55, 0.55, 0.50)}  # linear


def is_bare(rig: Rig) -> bool:
    """Whether the rig has no surface of its own."""
    return rig.mesh is None or not len(rig.mesh.faces)


def body_of(skeleton: Skeleton, mesh: Mesh | None) -> Mesh:
    """The surface that is given; where it has no faces, capsules."""
    return capsule_mesh(skeleton) if mesh is None or not len(mesh.faces) else mesh


def capsule_mesh(skeleton: Skeleton) -> Mesh:
    """A readable body in the rest pose: thickness from bone length and body size, left warm, right cool, middle grey.

    Where no name tells a side, every chain has a hue of its own.
    """
    world = rest_world(skeleton)
    joints, ends, radii = bone_capsules(skeleton, world[:, :3, 3])
    colours = joint_colours(skeleton)
    parts = [capsule(world[j, :3, 3], end, *radius) for j, end, radius in zip(joints, ends, radii, strict=True)]
    sizes = [len(vertices) for vertices, _, _ in parts]
    starts = np.cumsum([0, *sizes[:-1]])
    owners = np.repeat(joints, sizes)
    return Mesh(
        vertices=np.concatenate([vertices for vertices, _, _ in parts]),
        faces=np.concatenate([faces + start for (_, _, faces), start in zip(parts, starts, strict=True)]),
        skin_indices=owners[:, None],
        skin_weights=np.ones((len(owners), 1)),
        bind_joints=np.arange(skeleton.joints),
        inverse_binds=inverse_affine(world),
        normals=np.concatenate([normals for _, normals, _ in parts]),
        colours=np.concatenate([colours[owners], np.ones((len(owners), 1))], axis=1),
    )


def bone_capsules(
    skeleton: Skeleton, positions: Float[np.ndarray, "joints 3"]
) -> tuple[Int[np.ndarray, " capsules"], Float[np.ndarray, "capsules 3"], Float[np.ndarray, "capsules 2"]]:
    """Of each capsule the joint that carries it (and where it starts), its far end, and its two radii."""
    size = body_size(positions)
    children = skeleton.children
    found: list[tuple[int, np.ndarray, tuple[float, float]]] = []
    for joint, parent in enumerate(skeleton.parents):
        here = positions[joint]
        for child in children[joint]:
            thick = radius_of(float(np.linalg.norm(positions[child] - here)), size)
            if parent < 0 and len(children[joint]) == 1:
                thick *= 0.4  # such a bone only carries the body: floor to hips
            found.append((joint, positions[child], (thick, 0.75 * thick)))
        if not children[joint]:
            bone = here - positions[parent] if parent >= 0 else np.zeros(3)
            thick = 0.6 * radius_of(float(np.linalg.norm(bone)), size)
            reach = min(0.35, 0.08 * size / max(float(np.linalg.norm(bone)), 1e-9))
            found.append((joint, here + reach * bone, (thick, 0.5 * thick)))
    return (
        np.array([joint for joint, _, _ in found]),
        np.array([end for _, end, _ in found]),
        np.array([radii for _, _, radii in found]),
    )


def body_size(positions: Float[np.ndarray, "joints 3"]) -> float:
    """Diagonal of the joints' box; one metre for a single joint."""
    diagonal = float(np.linalg.norm(np.ptp(positions, axis=0)))
    return diagonal if diagonal > 1e-9 else 1.0


def radius_of(length: float, size: float) -> float:
    return float(np.clip(0.14 * length, 0.008 * size, 0.03 * size))


def capsule(
    start: Float[np.ndarray, " 3"], end: Float[np.ndarray, " 3"], radius: float, end_radius: float
) -> tuple[Float[np.ndarray, "vertices 3"], Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """Vertices, normals and faces of a closed tapered capsule with round ends."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    axis = axis / length if length > 1e-12 else np.array([0.0, 1.0, 0.0])
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    side /= np.linalg.norm(side)
    turns = np.arange(SIDES) * 2 * np.pi / SIDES
    around = np.cos(turns)[:, None] * side + np.sin(turns)[:, None] * np.cross(axis, side)
    bend = np.arange(1, CAP_RINGS + 1) * np.pi / 2 / CAP_RINGS
    rings = [(start, radius, -np.cos(a), np.sin(a)) for a in bend]
    rings += [(end, end_radius, np.cos(a), np.sin(a)) for a in bend[::-1]]
    normals = np.concatenate([[-axis], *(along * axis + out * around for _, _, along, out in rings), [axis]])
    centres = np.concatenate([[start], *(np.repeat([c], SIDES, 0) for c, _, _, _ in rings), [end]])
    reach = np.concatenate([[radius], *(np.full(SIDES, r) for _, r, _, _ in rings), [end_radius]])
    return centres + reach[:, None] * normals, normals, capsule_faces(len(rings))


def capsule_faces(rings: int) -> Int[np.ndarray, "faces 3"]:
    """Tip, rings, tip; counter-clockwise from outside."""
    here = np.arange(SIDES)
    following = (here + 1) % SIDES
    last = rings * SIDES + 1
    faces = [np.stack([np.zeros_like(here), 1 + following, 1 + here], axis=1)]
    for ring in range(rings - 1):
        low, high = 1 + ring * SIDES, 1 + (ring + 1) * SIDES
        faces.append(np.stack([low + here, low + following, high + following], axis=1))
        faces.append(np.stack([low + here, high + following, high + here], axis=1))
    top = 1 + (rings - 1) * SIDES
    faces.append(np.stack([np.full_like(here, last), top + here, top + following], axis=1))
    return np.concatenate(faces)


def joint_colours(skeleton: Skeleton) -> Float[np.ndarray, "joints 3"]:
    """Linear colour of each joint by side, or by chain where no name tells a side."""
    sides = [side_of(name) for name in skeleton.names]
    for joint, parent in enumerate(skeleton.parents):
        if sides[joint] == "centre" and parent >= 0:
            sides[joint] = sides[parent]  # fingers without a side in their name belong to their hand
    if set(sides) != {"centre"}:
        return np.array([SIDE_COLOURS[side] for side in sides])
    chains = chain_numbers(skeleton)
    hues = (chains * 0.381966) % 1.0
    waves = np.cos(2 * np.pi * (hues[:, None] + np.array([0.0, 1 / 3, 2 / 3])))
    return np.where(chains[:, None] == 0, np.array(SIDE_COLOURS["centre"]), 0.35 + 0.30 * waves)


def side_of(name: str) -> str:
    """`left`, `right` or `centre`, from names such as `LeftArm`, `arm.L`, `Bip01 R Thigh`, `arm_l`, `左腕`."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower()
    left, right = LEFT.search(spaced), RIGHT.search(spaced)
    if bool(left) == bool(right):
        return "centre"
    return "left" if left else "right"


def chain_numbers(skeleton: Skeleton) -> Int[np.ndarray, " joints"]:
    """Joints numbered by chain: the first child continues its parent's, further children start new ones."""
    chains = np.zeros(skeleton.joints, dtype=np.int64)
    continued: set[int] = set()
    following = 0
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0 and parent not in continued:
            chains[joint] = chains[parent]
            continued.add(int(parent))
        elif joint > 0:
            following += 1
            chains[joint] = following
    return chains
