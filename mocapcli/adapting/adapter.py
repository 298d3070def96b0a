"""What adaptation changed, as a small file: differences from the shared weights, a byte for each."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mocapcli.errors import InvalidDataError, ReadError, WriteError
from mocapcli.kinematics import rest_world
from mocapcli.loose_feet import legs_of_feet
from mocapcli.types import Asset, Mesh, Skeleton
from mocapcli.whole_file import whole_file

FORMAT = "mocapcli adapter 1"
STEPS = 127  # a difference is stored as so many parts of its row's largest
SMALLEST_ROW = 16  # shorter tensors are stored as they are
SCALE = ".scale"


@dataclass(frozen=True)
class Origin:
    """What an adapter belongs to, and what was spent on it."""

    rig: str  # digest of the rig
    model: str  # digest of the shared weights
    rig_name: str
    seconds: float
    samples: int
    figures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Adapter:
    """Differences by the weights' names."""

    origin: Origin
    changes: dict[str, Tensor]

    @classmethod
    def between(cls, shared: nn.Module, adapted: nn.Module, origin: Origin) -> "Adapter":
        before, after = shared.state_dict(), adapted.state_dict()
        changes = {
            name: (value - before[name]).detach().cpu().float()
            for name, value in after.items()
            if value.is_floating_point() and not torch.equal(value, before[name])
        }
        return cls(origin, changes)

    def apply(self, network: nn.Module) -> None:
        """Turn the shared weights into those of the rig, in place."""
        weights = network.state_dict()
        for name, change in self.changes.items():
            if name not in weights or weights[name].shape != change.shape:
                raise InvalidDataError(f"the adapter does not fit this model at {name!r}")
            weights[name] += change.to(weights[name])

    def save(self, path: Path) -> None:
        """Written whole, then renamed."""
        tensors: dict[str, Tensor] = {}
        for name, change in self.changes.items():
            if change.numel() < SMALLEST_ROW or change.ndim < 2:
                tensors[name] = change
                continue
            rows = change.flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp_min(1e-12) / STEPS
            tensors[name] = (rows / scale).round().to(torch.int8).reshape(change.shape).contiguous()
            tensors[name + SCALE] = scale[:, 0].contiguous()
        facts = {"format": FORMAT, "origin": json.dumps(asdict(self.origin))}
        with whole_file(path) as temporary:
            try:
                save_file(tensors, temporary, facts)
            except SafetensorError as error:  # a full disk, too
                raise WriteError(f"cannot write the file: {error}", path=path) from None

    @classmethod
    def load(cls, path: Path) -> "Adapter":
        try:
            with safe_open(path, "pt") as content:
                facts = content.metadata() or {}
                tensors = {name: content.get_tensor(name) for name in content.keys()}
            if facts.get("format") != FORMAT:
                raise ReadError("this is no adapter", path=path, remedy="mocap adapt RIG makes one")
            origin = Origin(**json.loads(facts["origin"]))
        except FileNotFoundError:
            raise ReadError("there is no such file", path=path) from None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise ReadError(f"damaged adapter ({error})", path=path) from None
        return cls(origin, _restored(tensors, path))


def _restored(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    changes = {}
    for name, value in tensors.items():
        if name.endswith(SCALE):
            continue
        if value.dtype == torch.int8:
            scale = tensors.get(name + SCALE)
            if scale is None or scale.shape != value.shape[:1]:
                raise ReadError(f"damaged adapter (no scale of {name!r})", path=path)
            value = value.float() * scale.reshape(-1, *[1] * (value.ndim - 1))
        if not torch.isfinite(value).all():
            raise ReadError(f"damaged adapter ({name!r} is not finite)", path=path)
        changes[name] = value
    return changes


def rig_digest(asset: Asset, use_clips: bool) -> str:
    """The same for the same skeleton, body and look, reference pose and clips learnt from, whatever file they came in.

    A rig that is larger as a whole is the same: sizes are told by the skeleton's.
    """
    digest, skeleton, size = hashlib.sha256(), asset.rig.skeleton, _size(asset.rig.skeleton)
    digest.update("\n".join(skeleton.names).encode("utf-8", "surrogatepass"))
    parts = [skeleton.parents, skeleton.rest_translations / size, skeleton.rest_rotations]
    parts += [] if asset.rig.mesh is None else _body(asset.rig.mesh, size)
    for motion in asset.motions if use_clips else asset.motions[:1]:
        frames = slice(None) if use_clips else slice(1)  # the reference pose, in any case
        parts += [motion.rotations[frames], motion.translations[frames] / size]
        if use_clips:  # a pose is known by turns alone
            parts += [np.array(motion.fps), *([] if motion.scales is None else [motion.scales])]
    for values in parts:
        rounded = np.round(np.asarray(values, dtype=np.float64), 5) + 0.0  # no negative zeros
        digest.update(str(rounded.shape).encode() + rounded.tobytes())
    for material in () if asset.rig.mesh is None else asset.rig.mesh.materials:
        digest.update(b"" if material.texture is None else material.texture.data)
    legs = legs_of_feet(asset.rig)
    if (legs >= 0).any():  # what was learnt before loose feet went with their legs is learnt anew
        digest.update(legs.tobytes())
    return digest.hexdigest()


def _size(skeleton: Skeleton) -> float:
    rest = rest_world(skeleton)[:, :3, 3]
    return float(np.ptp(rest, axis=0).max()) or 1.0


def _body(mesh: Mesh, size: float) -> list[np.ndarray]:
    """How it stands on the skeleton, and what it looks like."""
    binds = mesh.inverse_binds.copy()
    binds[:, :3, 3] /= size
    look = [mesh.uvs, mesh.colours, mesh.face_materials]
    return [
        *(mesh.vertices / size, mesh.faces, mesh.skin_indices, mesh.skin_weights, mesh.bind_joints, binds),
        *(values for values in look if values is not None),
        np.array([material.base_colour for material in mesh.materials]),
    ]
