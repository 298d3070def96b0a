"""Pictures of a rig in motion as people want to see them: stage, light, views side by side, skeleton, trails.

act = act_of(asset, motion)                       # or the rest pose on a turntable
for picture in play(act, Wishes((parse_view("three-quarter"),), (640, 480))): ...
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.kinematics import motion_world, rest_world
from mocapcli.render.camera import Camera
from mocapcli.render.overlays import overlay
from mocapcli.render.rasteriser import Colour, draw
from mocapcli.render.scene import Model, World, pose_points, prepare
from mocapcli.render.stage import Palette, Stage, make_stage, paint_stage, studio_lights, turned
from mocapcli.render.viewpoints import (
    CameraMove,
    Extent,
    Viewpoint,
    extent_of,
    parse_view,
    path_of,
    place_cameras,
    side_by_side,
)
from mocapcli.types import Motion, Rig

Picture = UInt8[np.ndarray, "height width channels"]
TURNTABLE_SECONDS, TURNTABLE_FPS = 4.0, 30.0
RUN_FRAMES, RUN_PIXELS, RUN_VERTICES = 16, 1 << 23, 1 << 21  # at most so much is drawn at a time
FINE = 400  # pictures lower than this are drawn with more samples a pixel


@dataclass(frozen=True, eq=False)
class Act:
    """What is played: a body and where its joints are in every frame."""

    model: Model
    world: World
    fps: float
    title: str

    @property
    def frames(self) -> int:
        return len(self.world)


@dataclass(frozen=True)
class Wishes:
    """How it is to look. A background of None is transparent; `size` is that of one view."""

    views: tuple[Viewpoint, ...] = (parse_view("three-quarter"),)
    size: tuple[int, int] = (640, 480)
    background: Palette | Colour | None = (255, 255, 255)
    move: CameraMove = "auto"
    skeleton: bool = False
    trails: tuple[int, ...] = ()


def act_of(rig: Rig | Model, motion: Motion) -> Act:
    """A clip of a rig; make its `Model` once where several are played."""
    model = prepare(rig) if isinstance(rig, Rig) else rig
    return Act(model, motion_world(model.rig.skeleton, motion), motion.fps, motion.name)


def rest_act(rig: Rig, turning: bool = True, fps: float = TURNTABLE_FPS) -> Act:
    """The rest pose: one frame, or a whole turn of it."""
    model = prepare(rig)
    world = rest_world(rig.skeleton)[None]
    if turning:
        points = model.rest_points[np.unique(model.mesh.faces)]
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        count = max(2, round(TURNTABLE_SECONDS * fps))
        world = np.stack([spin(360 * frame / count, middle) for frame in range(count)])[:, None] @ world
    return Act(model, world, fps, "rest pose")


def spin(degrees: float, middle: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "4 4"]:
    """The turn about an upright axis through a point."""
    matrix = np.eye(4)
    matrix[:3, :3] = turned(degrees)
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle
    return matrix


def play(act: Act, wishes: Wishes, frames: Sequence[int] | None = None) -> Iterator[Picture]:
    """All frames, or chosen ones, one picture after the other; memory stays flat however long the clip is."""
    chosen = np.arange(act.frames) if frames is None else np.asarray(frames)
    extent, path = extent_of(act.model, act.world), path_of(act.model, act.world, act.fps)
    cameras = [place_cameras(extent, path, view, wishes.size, wishes.move) for view in wishes.views]
    width, height = wishes.size
    length = max(1, min(RUN_FRAMES, RUN_PIXELS // (width * height), RUN_VERTICES // len(act.model.mesh.vertices)))
    for start in range(0, len(chosen), length):
        run = chosen[start : start + length]
        panels = [
            panel(act, wishes, view, [views[frame] for frame in run], run, extent, path)
            for view, views in zip(wishes.views, cameras, strict=True)
        ]
        yield from side_by_side(panels)


def panel(
    act: Act,
    wishes: Wishes,
    view: Viewpoint,
    cameras: Sequence[Camera],
    run: np.ndarray,
    extent: Extent,
    path: Float[np.ndarray, "frames 3"],
) -> UInt8[np.ndarray, "run height width channels"]:
    """Some frames from one side."""
    points, normals = pose_points(act.model, act.world[run])
    background = wishes.background
    if isinstance(background, Palette):
        stage: Stage = make_stage(background, extent.ground, extent.size)
        still = all(camera is cameras[0] for camera in cameras)
        centres = np.broadcast_to(path.mean(axis=0), (len(run), 3)) if still else path[run]
        backdrop: np.ndarray | Colour | None = paint_stage(stage, points, act.model.surface, cameras, centres, view.yaw)
    else:
        backdrop = background
    drawn = draw(
        points,
        normals,
        act.model.surface,
        cameras,
        lights=studio_lights(view.yaw),
        background=backdrop,
        supersample=2 if wishes.size[1] >= FINE else 3,
        outputs=("colour",),
    ).colour
    pictures = np.ascontiguousarray(drawn if backdrop is None else drawn[..., :3])
    overlay(pictures, act, cameras, run, wishes.skeleton, wishes.trails)
    return pictures
