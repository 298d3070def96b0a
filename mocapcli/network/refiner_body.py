"""A rig as the refiner draws it: no colours, only where on the body each pixel lies and how far away.

The canonical coordinates of a surface point are its place in the rest pose, scaled into the unit cube. A fixed
sample of surface points, spread over the surface and over the joints, is what the solver moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigBatch, RigReference, pad_joints, reference_of_rig
from mocapcli.network.refiner_pose import View, World
from mocapcli.network.refiner_solve import seen_points
from mocapcli.render.camera import Camera
from mocapcli.render.rasteriser import draw
from mocapcli.render.scene import Model
from mocapcli.render.skinning import Skin, skin_points
from mocapcli.render.surface import Surface, pack
from mocapcli.types import Mesh

SAMPLED_POINTS = 192
LOOK_CHANNELS = 5  # canonical coordinates, mask, depth
NEAR = 0.02  # sizes


@dataclass(frozen=True, eq=False)
class SurfaceSample:
    """Points of the surface, by the corners of the faces they lie on."""

    corners: Int[np.ndarray, "points 3"]
    shares: Float[np.ndarray, "points 3"]
    weights: Float[np.ndarray, "points joints"]  # skin weights
    canonical: Float[np.ndarray, "points 3"]

    def of(self, vertices: Float[np.ndarray, "frames vertices 3"]) -> Float[np.ndarray, "frames points 3"]:
        """Where they are on a posed surface."""
        return np.asarray((vertices[:, self.corners] * self.shares[..., None]).sum(axis=2))


@dataclass(frozen=True, eq=False)
class Body:
    """Everything the refiner needs of one rig."""

    reference: RigReference
    skin: Skin
    surface: Surface
    canonical: Float[np.ndarray, "vertices 3"]
    sample: SurfaceSample

    @classmethod
    def of(cls, model: Model, reference: RigReference | None = None) -> "Body":
        reference = reference or reference_of_rig(model.rig)
        plain = replace(model.mesh, materials=(), face_materials=None, uvs=None, colours=None, normals=None)
        skin = replace(model.skin, normals=None)
        return cls(reference, skin, pack(plain), model.canonical, sample_surface(model, reference.joints))


@dataclass(frozen=True, eq=False)
class Look(OnDevice):
    """Bodies drawn in a pose, and their surface points in camera axes (sizes)."""

    images: Float[Tensor, "batch frames channels side side"]
    points: Float[Tensor, "batch frames points 3"]
    seen: Bool[Tensor, "batch frames points"]

    def within(self, inside: Float[Tensor, "batch frames side side"]) -> "Look":
        """Cut by the edges of the film's picture."""
        return replace(self, images=self.images * inside[:, :, None])


def sample_surface(model: Model, joints: int, count: int = SAMPLED_POINTS) -> SurfaceSample:
    """Half of the points by area, half as many for each joint's flesh, so that fingers have theirs. Always the same."""
    random = np.random.default_rng(0)
    mesh, vertices = model.mesh, model.rest_points
    corners = vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) + 1e-12
    owner = model.vertex_joints[mesh.faces[:, 0]] + 1
    by_owner = np.bincount(owner, area, minlength=joints + 1)
    even = area / by_owner[owner]
    chance = area / area.sum() + even / even.sum()
    faces = random.choice(len(area), count, p=chance / chance.sum())
    shares = random.dirichlet(np.ones(3), count)
    picked = mesh.faces[faces]
    by_corner = [shares[:, [k]] * joint_weights(mesh, picked[:, k], joints) for k in range(3)]
    weights = np.sum(by_corner, axis=0).astype(np.float32)
    canonical = (model.canonical[picked] * shares[..., None]).sum(axis=1).astype(np.float32)
    return SurfaceSample(picked, shares.astype(np.float32), weights, canonical)


def joint_weights(mesh: Mesh, vertices: Int[np.ndarray, " points"], joints: int) -> Float[np.ndarray, "points joints"]:
    """Skin weights of vertices by joint; what is fixed in the world follows nobody."""
    out = np.zeros((len(vertices), joints + 1), np.float32)
    names = mesh.bind_joints[mesh.skin_indices[vertices]]
    np.add.at(out, (np.arange(len(vertices))[:, None], names), mesh.skin_weights[vertices])
    return out[:, :joints]  # a joint of -1 went to the last column


def look_at(bodies: Sequence[Body], world: World, view: View, side: int) -> Look:
    """Draw every clip's body in its pose (camera axes, sizes). Gradients do not pass."""
    rows = [
        _draw(body, pose, focal, middle, side)
        for body, pose, focal, middle in zip(
            bodies,
            world.detach().cpu().double().numpy(),
            view.focal.cpu().numpy(),
            view.middle.cpu().numpy(),
            strict=True,
        )
    ]
    images, points, depth = (torch.from_numpy(np.stack(parts)) for parts in zip(*rows, strict=True))
    view = view.to("cpu")
    seen = seen_points(view.project(points), -points[..., 2], depth)
    return Look(images, points, seen).to(world.device)


def _draw(
    body: Body,
    world: Float[np.ndarray, "frames padded 4 4"],
    focal: Float[np.ndarray, " frames"],
    middle: Float[np.ndarray, "frames 2"],
    side: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [frames, 5, side, side], points, depth map (sizes)."""
    size = body.reference.size
    world = world[:, : body.reference.joints].copy()
    world[..., :3, 3] *= size
    vertices, normals = skin_points(body.skin, world)
    cameras = [
        Camera(np.zeros(3), np.eye(3), side, side, float(f * side / 2), tuple((m + 1) / 2 * side), NEAR * size)
        for f, m in zip(focal.astype(float), middle.astype(float), strict=True)
    ]
    images = draw(
        vertices,
        normals,
        body.surface,
        cameras,
        supersample=1,
        outputs=("mask", "depth"),
        attributes=body.canonical,
        threads=1,
    )
    depth = (images.depth / size).astype(np.float32)
    points = (body.sample.of(vertices) / size).astype(np.float32)
    ahead = -points[..., 2].mean(axis=1)[:, None, None]
    relative = np.clip(np.where(images.mask > 0, ahead - depth, 0.0), -1.0, 1.0)
    canonical = np.moveaxis(2 * images.attributes - 1, -1, 1) * images.mask[:, None]
    stacked = np.concatenate([canonical, images.mask[:, None], relative[:, None]], axis=1)
    return stacked.astype(np.float32), points, depth


def view_of(cameras: Sequence[Camera]) -> View:
    """One clip's cameras, square crops."""
    half = cameras[0].width / 2

    def stack(values: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(values).astype(np.float32))[None]

    return View(
        stack([np.asarray(camera.focal / half) for camera in cameras]),
        stack([np.asarray(camera.centre) / half - 1 for camera in cameras]),
        stack([camera.rotation[1] for camera in cameras]),
    )


def to_camera(
    world: Float[np.ndarray, "frames joints 4 4"], cameras: Sequence[Camera], size: float
) -> Float[np.ndarray, "frames joints 4 4"]:
    """World matrices (metres) in the axes of each frame's camera, in sizes."""
    out: np.ndarray = np.stack([camera.view for camera in cameras])[:, None] @ world
    out[..., :3, 3] /= size
    return out


def from_camera(
    world: Float[np.ndarray, "frames joints 4 4"], cameras: Sequence[Camera], size: float
) -> Float[np.ndarray, "frames joints 4 4"]:
    """The inverse of `to_camera`."""
    local = world.copy()
    local[..., :3, 3] *= size
    return np.asarray(np.linalg.inv(np.stack([camera.view for camera in cameras]))[:, None] @ local)


def surface_weights(bodies: Sequence[Body], rig: RigBatch) -> Float[Tensor, "batch points joints"]:
    joints = rig.mask.shape[1]
    return torch.from_numpy(np.stack([pad_joints(body.sample.weights, joints, 0.0, axis=1) for body in bodies]))
