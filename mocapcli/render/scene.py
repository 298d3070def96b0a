"""Draw rigs in motion: what the data set, previews, refiner and `mocap render` call.

model = prepare(asset.rig)                        # once per rig; a rig without a mesh gets a capsule body
camera = frame_motion(model, motion, yaw=30)      # sees the whole clip
images = render_motion(model, motion, camera)     # Images: colour, mask, depth, ...
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.loose_feet import strongest_joints
from mocapcli.render.camera import Camera, Number, fit
from mocapcli.render.capsules import body_of
from mocapcli.render.rasteriser import Images, draw
from mocapcli.render.skinning import Normals, Points, Skin, make_skin, skin_points
from mocapcli.render.surface import Surface, pack
from mocapcli.render.textures import MAX_SIDE
from mocapcli.types import Mesh, Motion, Rig

World = Float[np.ndarray, "frames joints 4 4"]
CHUNK_VALUES = 1 << 24  # skinned numbers held at a time


@dataclass(frozen=True, eq=False)
class Model:
    """A rig with its body, packed for drawing many times."""

    rig: Rig
    mesh: Mesh
    skin: Skin
    surface: Surface

    @cached_property
    def drawn(self) -> Int[np.ndarray, " vertices"]:
        """Vertices that some face uses."""
        used: np.ndarray = np.unique(self.mesh.faces)
        return used

    @cached_property
    def rest_points(self) -> Float[np.ndarray, "vertices 3"]:
        """Skinned vertices in the rest pose, world."""
        points: np.ndarray = skin_points(self.skin, rest_world(self.rig.skeleton)[None])[0][0]
        return points

    @cached_property
    def canonical(self) -> Float[np.ndarray, "vertices 3"]:
        """Rest-pose vertices scaled into the unit cube: the same surface point has the same numbers in any pose.

        One scale for all axes (the longest side becomes 1, the others are centred at 0.5).
        """
        points = self.rest_points
        low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.ones(3))
        longest = max(float((high - low).max()), 1e-12)
        return ((points - (low + high) / 2) / longest + 0.5).astype(np.float32)

    @cached_property
    def vertex_joints(self) -> Int[np.ndarray, " vertices"]:
        """The joint with most weight on each vertex (-1: fixed in the world)."""
        return strongest_joints(self.mesh)


def prepare(rig: Rig, mesh: Mesh | None = None, *, max_texture_side: int = MAX_SIDE) -> Model:
    """Make a rig ready to draw with `mesh`, else its own mesh, else (no faces) a capsule body."""
    chosen = body_of(rig.skeleton, rig.mesh if mesh is None else mesh)
    return Model(rig, chosen, make_skin(chosen), pack(chosen, max_texture_side))


def pose_points(model: Model, world: World) -> tuple[Points, Normals]:
    """World vertices and normals of posed joints."""
    return skin_points(model.skin, world)


def render(model: Model, world: World, cameras: Camera | Sequence[Camera], **options: Any) -> Images:
    """Draw posed joints (world matrices), one image a frame; `options` are those of `rasteriser.draw`."""
    if len(world) * len(model.mesh.vertices) * 6 <= CHUNK_VALUES:
        points, normals = pose_points(model, world)
        return draw(points, normals, model.surface, cameras, **options)
    parts = list(render_chunks(model, world, cameras, **options))
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in Images.__dataclass_fields__]
    return Images(*joined)


def render_chunks(
    model: Model, world: World, cameras: Camera | Sequence[Camera], *, chunk: int | None = None, **options: Any
) -> Iterator[Images]:
    """The same in runs of frames, so that memory stays flat however long the clip is."""
    size = chunk or max(1, CHUNK_VALUES // max(1, 6 * len(model.mesh.vertices)))
    for start in range(0, len(world), size):
        run = slice(start, start + size)
        points, normals = pose_points(model, world[run])
        views = cameras if isinstance(cameras, Camera) else cameras[run]
        yield draw(points, normals, model.surface, views, **_options_of(options, run, len(world)))


def render_motion(
    model: Model | Rig,
    motion: Motion | None,
    cameras: Camera | Sequence[Camera],
    frames: Sequence[int] | slice | None = None,
    **options: Any,
) -> Images:
    """Draw a clip, or chosen frames of it; no motion: the rest pose, as one frame."""
    ready = model if isinstance(model, Model) else prepare(model)
    return render(ready, world_of(ready, motion, frames), cameras, **options)


def world_of(model: Model, motion: Motion | None, frames: Sequence[int] | slice | None = None) -> World:
    """World joint matrices of a clip's frames; of the rest pose where there is no clip."""
    skeleton = model.rig.skeleton
    if motion is None:
        return rest_world(skeleton)[None]
    if motion.joints != skeleton.joints:
        raise InvalidDataError(f"motion {motion.name!r} drives {motion.joints} joints, the rig has {skeleton.joints}")
    world = motion_world(skeleton, motion)
    return world if frames is None else world[frames if isinstance(frames, slice) else np.asarray(frames)]


def frame_motion(
    model: Model,
    motion: Motion | None,
    *,
    yaw: Number = 30.0,
    pitch: Number = 12.0,
    samples: int = 24,
    **fit_options: Any,
) -> Camera:
    """A still camera that sees the whole clip (judged by up to `samples` frames); options as for `camera.fit`."""
    world = world_of(model, motion)
    chosen = np.unique(np.linspace(0, len(world) - 1, min(samples, len(world))).round().astype(int))
    points, _ = pose_points(model, world[chosen])
    used = np.unique(model.mesh.faces)
    return fit(points[:, used], yaw, pitch, **fit_options)


def follow_motion(
    model: Model, motion: Motion | None, *, yaw: Number = 30.0, pitch: Number = 12.0, **fit_options: Any
) -> list[Camera]:
    """One camera a frame, each framing that frame alone."""
    points, _ = pose_points(model, world_of(model, motion))
    used = np.unique(model.mesh.faces)
    return [fit(frame[used], yaw, pitch, **fit_options) for frame in points]


def _options_of(options: dict[str, Any], run: slice, frames: int) -> dict[str, Any]:
    """Options of one run of frames: what is given per frame is cut along."""
    cut = dict(options)
    background, attributes = options.get("background"), options.get("attributes")
    if isinstance(background, np.ndarray) and background.ndim == 4 and len(background) == frames:
        cut["background"] = background[run]
    if isinstance(attributes, np.ndarray) and attributes.ndim == 3 and len(attributes) == frames:
        cut["attributes"] = attributes[run]
    return cut
