"""The one data type that flows: every file is an `Asset`, every command takes and gives assets.

Conventions, stated once. Right-handed, Y up, metres, seconds. Quaternions are unit and **xyzw** (as in
glTF, scipy and roma). Local means relative to the parent joint; `parents[0] == -1` and `parents[j] < j`;
further roots are allowed. A joint's frame has unit scale in the rest pose; only a motion may scale it.
Matrices act on column vectors. Files are converted to this at the plugin's edge and nowhere else.

Axis vocabulary: frames T, joints J, vertices V, faces F, influences K, binds B.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import InvalidDataError

AlphaMode = Literal["opaque", "mask", "blend"]
RAW_IMAGE = "application/x-npy"


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joints, who hangs on whom, and the rest pose in local transforms."""

    names: tuple[str, ...]
    parents: Int[np.ndarray, " joints"]
    rest_translations: Float[np.ndarray, "joints 3"]
    rest_rotations: Float[np.ndarray, "joints 4"]

    def __post_init__(self) -> None:
        count = len(self.names)
        if count == 0:
            raise InvalidDataError("a skeleton needs at least one joint")
        _set(self, "names", tuple(self.names))
        _set(self, "parents", _array(self.parents, (count,), np.int64, "parents"))
        _set(
            self,
            "rest_translations",
            _array(self.rest_translations, (count, 3), np.float64, "rest_translations"),
        )
        _set(self, "rest_rotations", _unit(self.rest_rotations, (count, 4), "rest_rotations"))
        _check_names(self.names)
        _check_parents(self.names, self.parents)

    @property
    def joints(self) -> int:
        return len(self.names)

    @property
    def roots(self) -> list[int]:
        return [int(j) for j in np.flatnonzero(self.parents < 0)]

    @property
    def children(self) -> list[list[int]]:
        """Children of every joint, in order."""
        found: list[list[int]] = [[] for _ in self.names]
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(joint)
        return found

    def index(self, name: str) -> int:
        try:
            return self.names.index(name)
        except ValueError:
            raise InvalidDataError(f"no joint named {name!r}") from None


@dataclass(frozen=True)
class Texture:
    """An image as it stands in the file: still encoded, sRGB.

    Of type `RAW_IMAGE` it is a uint8 array [height, width, 4] in numpy's own container and needs no image library.
    """

    name: str
    data: bytes = field(repr=False)
    mime_type: str = "image/png"


@dataclass(frozen=True)
class Material:
    """What a surface looks like, as far as every format and our renderer agree (glTF's meaning)."""

    name: str
    base_colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # linear RGBA, times texture
    texture: Texture | None = None
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5
    double_sided: bool = False

    def __post_init__(self) -> None:
        colour = np.asarray(self.base_colour, dtype=np.float64)
        if colour.shape != (4,) or not np.isfinite(colour).all():
            raise InvalidDataError(f"material {self.name!r}: base_colour must be four finite numbers")
        _set(self, "base_colour", tuple(float(c) for c in colour))


@dataclass(frozen=True, eq=False)
class Mesh:
    """All surfaces of a rig as one triangle mesh, skinned through *binds*.

    A bind is one (joint, inverse bind matrix) pair; several skins or rigid parts on one skeleton simply bring
    their own binds. `skin_indices` point at binds. With world joint matrices W[j], bind b moves a vertex by
    W[bind_joints[b]] @ inverse_binds[b]; `bind_joints[b] == -1` means fixed in the world.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    skin_indices: Int[np.ndarray, "vertices influences"]
    skin_weights: Float[np.ndarray, "vertices influences"]
    bind_joints: Int[np.ndarray, " binds"]
    inverse_binds: Float[np.ndarray, "binds 4 4"]
    normals: Float[np.ndarray, "vertices 3"] | None = None
    uvs: Float[np.ndarray, "vertices 2"] | None = None  # origin top left, as glTF
    colours: Float[np.ndarray, "vertices 4"] | None = None  # linear RGBA, times the material's
    face_materials: Int[np.ndarray, " faces"] | None = None  # index into materials; -1 = none
    materials: tuple[Material, ...] = ()

    def __post_init__(self) -> None:
        count, faces, binds = len(self.vertices), len(self.faces), len(self.bind_joints)
        influences = np.shape(self.skin_indices)[1] if np.ndim(self.skin_indices) == 2 else 1
        shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "vertices": ((count, 3), np.float32),
            "faces": ((faces, 3), np.int32),
            "skin_indices": ((count, influences), np.int32),
            "skin_weights": ((count, influences), np.float32),
            "bind_joints": ((binds,), np.int32),
            "inverse_binds": ((binds, 4, 4), np.float64),
            "normals": ((count, 3), np.float32),
            "uvs": ((count, 2), np.float32),
            "colours": ((count, 4), np.float32),
            "face_materials": ((faces,), np.int32),
        }
        for name, (shape, dtype) in shapes.items():
            value = getattr(self, name)
            if value is not None:
                _set(self, name, _array(value, shape, dtype, name))
        _set(self, "materials", tuple(self.materials))
        _check_range(self.faces, 0, count, "faces")
        _check_range(self.skin_indices, 0, binds, "skin_indices")
        if self.face_materials is not None:
            _check_range(self.face_materials, -1, len(self.materials), "face_materials")
        sums = self.skin_weights.sum(axis=1)
        if (self.skin_weights < 0).any() or not np.allclose(sums, 1.0, atol=1e-4):
            raise InvalidDataError("skin_weights must be non-negative and sum to one (see sanitise_weights)")


@dataclass(frozen=True)
class LeftAside:
    """`Rig.source` where the file cannot be written back: what else was in it, in words ("3 shape keys")."""

    beyond: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rig:
    """A skeleton with, perhaps, a mesh on it. `source` keeps the original document for loss-free writing.

    Its `beyond`, if any, names what an Asset has no place for, and its `format` the plugin that writes it back.
    """

    skeleton: Skeleton
    mesh: Mesh | None = None
    name: str = "rig"
    source: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _set(self, "name", _writable(self.name))
        if self.mesh is not None:
            _check_range(self.mesh.bind_joints, -1, self.skeleton.joints, "bind_joints")

    @property
    def deforms(self) -> Bool[np.ndarray, " joints"]:
        """Joints that move at least one vertex; every joint where there is no mesh."""
        moves = np.zeros(self.skeleton.joints, dtype=bool)
        if self.mesh is None:
            return ~moves
        used = np.unique(self.mesh.skin_indices[self.mesh.skin_weights > 0])
        joints = self.mesh.bind_joints[used]
        moves[joints[joints >= 0]] = True
        return moves


@dataclass(frozen=True, eq=False)
class Motion:
    """One clip: local joint transforms at evenly spaced frames, the first at time zero."""

    name: str
    fps: float
    rotations: Float[np.ndarray, "frames joints 4"]
    translations: Float[np.ndarray, "frames joints 3"]
    scales: Float[np.ndarray, "frames joints 3"] | None = None  # None: never scaled

    def __post_init__(self) -> None:
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise InvalidDataError(f"motion {self.name!r}: fps must be positive, not {self.fps}")
        shape = np.shape(self.rotations)
        if len(shape) != 3 or shape[0] == 0 or shape[1] == 0:
            raise InvalidDataError(f"motion {self.name!r}: rotations must be [frames, joints, 4], not {shape}")
        frames, joints = shape[:2]
        place = f"motion {self.name!r}: "
        _set(self, "name", _writable(self.name))
        _set(self, "fps", float(self.fps))
        _set(self, "rotations", _unit(self.rotations, (frames, joints, 4), place + "rotations"))
        _set(
            self,
            "translations",
            _array(self.translations, (frames, joints, 3), np.float64, place + "translations"),
        )
        if self.scales is not None:
            _set(self, "scales", _array(self.scales, (frames, joints, 3), np.float64, place + "scales"))

    @property
    def frames(self) -> int:
        return len(self.rotations)

    @property
    def joints(self) -> int:
        return int(self.rotations.shape[1])

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames - 1) / self.fps


@dataclass(frozen=True, eq=False)
class Asset:
    """A rig and the clips that drive it: what every file holds."""

    rig: Rig
    motions: tuple[Motion, ...] = ()

    def __post_init__(self) -> None:
        _set(self, "motions", tuple(self.motions))
        for motion in self.motions:
            if motion.joints != self.rig.skeleton.joints:
                raise InvalidDataError(
                    f"motion {motion.name!r} drives {motion.joints} joints, the rig has {self.rig.skeleton.joints}"
                )

    def with_motions(self, motions: Iterable[Motion]) -> "Asset":
        return replace(self, motions=tuple(motions))

    def with_new_motions(self, motions: Iterable[Motion], keep: bool) -> "Asset":
        """New clips, first; `keep`: and the asset's own behind them, but for those whose names are taken now."""
        new, kept = tuple(motions), self.motions if keep else ()
        taken = {motion.name for motion in new}
        for own in kept:
            if own.name in taken:
                warnings.warn(f"the rig's own clip {own.name!r} makes room for the new one of that name", stacklevel=2)
        return self.with_motions([*new, *(own for own in kept if own.name not in taken)])


def left_aside(*counted: tuple[int, str]) -> LeftAside | None:
    """What was found of each kind, in words: `left_aside((2, "camera"), (0, "light"))` has "2 cameras"."""
    words = tuple(f"{count} {what}{'s' * (count != 1)}" for count, what in counted if count)
    return LeftAside(words) if words else None


def sanitise_weights(
    indices: Int[np.ndarray, "vertices influences"], weights: Float[np.ndarray, "vertices influences"]
) -> tuple[Int[np.ndarray, "vertices influences"], Float[np.ndarray, "vertices influences"]]:
    """Skin weights as files really hold them (NaN, negative, unnormalised, all zero) made usable.

    A vertex that names nobody follows the first bind it lists.
    """
    clean = np.where(np.isfinite(weights) & (weights > 0), weights, 0.0).astype(np.float64)
    clean /= np.maximum(clean.max(axis=1, keepdims=True, initial=0), 1e-300)  # or the sum of huge ones is infinite
    sums = clean.sum(axis=1)
    empty = sums <= 0
    clean[empty, 0] = 1.0
    sums[empty] = 1.0
    clean /= sums[:, None]
    return np.where(clean > 0, indices, indices[:, :1] * 0).astype(np.int32), clean.astype(np.float32)


def unique_names(names: Sequence[str], fallback: str = "joint") -> tuple[str, ...]:
    """Names with blanks filled and repeats numbered (`Bone`, `Bone.001`), as Blender does."""
    given, taken = set(names), set[str]()
    counts: dict[str, int] = {}
    out: list[str] = []
    for position, raw in enumerate(names):
        base = raw or f"{fallback}{position}"
        name = base
        while name in taken or (name != raw and name in given):
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}.{counts[base]:03d}"
        taken.add(name)
        out.append(name)
    return tuple(out)


def _writable(name: str) -> str:
    """A name as every format can write it: those taken from files may hold bytes that are no text."""
    return name.encode("utf-8", "replace").decode()


def _set(instance: Any, name: str, value: Any) -> None:
    object.__setattr__(instance, name, value)


def _array(value: Any, shape: tuple[int, ...], dtype: type, name: str) -> np.ndarray:
    """`value` as a read-only array of that shape and type, every number finite."""
    try:
        raw = np.asarray(value)
        with np.errstate(all="ignore"):  # what does not fit is found below
            array: np.ndarray = np.ascontiguousarray(raw, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f"{name}: not an array of numbers ({error})") from None
    if np.issubdtype(dtype, np.integer) and raw.dtype != dtype and not np.array_equal(array, raw):
        raise InvalidDataError(f"{name}: contains numbers that are not whole or are too large")
    if array.shape != shape:
        raise InvalidDataError(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
    if np.issubdtype(dtype, np.floating) and not np.isfinite(array).all():
        raise InvalidDataError(f"{name}: contains NaN or infinite numbers")
    view = array.view()
    view.flags.writeable = False
    return view


def _unit(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Quaternions normalised; those already unit stay bit for bit as they are."""
    array = _array(value, shape, np.float64, name)
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(array, axis=-1, keepdims=True)
    if (norms < 1e-8).any() or not np.isfinite(norms).all():
        raise InvalidDataError(f"{name}: contains a quaternion whose length is zero or beyond all numbers")
    if np.allclose(norms, 1.0, rtol=0, atol=1e-12):
        return array
    return _array(array / norms, shape, np.float64, name)


def _check_names(names: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidDataError("every joint needs a name")
        if name in seen:
            raise InvalidDataError(f"two joints are named {name!r}")
        seen.add(name)


def _check_parents(names: tuple[str, ...], parents: Int[np.ndarray, " joints"]) -> None:
    if parents[0] != -1:
        raise InvalidDataError(f"the first joint {names[0]!r} must be a root")
    wrong = np.flatnonzero((parents < -1) | (parents >= np.arange(len(parents))))
    if len(wrong):
        joint = int(wrong[0])
        raise InvalidDataError(f"joint {names[joint]!r}: its parent {parents[joint]} does not come before it")


def _check_range(values: np.ndarray, low: int, high: int, name: str) -> None:
    if values.size and (values.min() < low or values.max() >= high):
        raise InvalidDataError(f"{name}: values must lie in {low} … {high - 1}")
