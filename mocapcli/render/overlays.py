"""Skeleton and joint trails drawn over a preview."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from mocapcli.render.camera import Camera
from mocapcli.render.capsules import joint_colours
from mocapcli.render.draw import draw_dots, draw_lines, project_joints
from mocapcli.render.textures import linear_to_srgb

if TYPE_CHECKING:
    from mocapcli.render.preview import Act

TRAIL_SECONDS, LONGEST_TRAIL = 1.0, 120
TRAIL_COLOURS = np.array([[230, 70, 40], [20, 120, 230], [30, 160, 80], [200, 120, 0], [150, 60, 200], [0, 160, 170]])
OUTLINE = (22, 24, 28)


def overlay(
    pictures: np.ndarray,
    act: "Act",
    cameras: Sequence[Camera],
    run: np.ndarray,
    skeleton: bool,
    trails: Sequence[int],
) -> None:
    """Draw on the pictures, which show the frames `run`."""
    if trails:
        _trails(pictures, act, cameras, run, trails)
    if skeleton:
        _skeleton(pictures, act, cameras, run)


def _skeleton(pictures: np.ndarray, act: "Act", cameras: Sequence[Camera], run: np.ndarray) -> None:
    """Bones in the colour of their side with a dark outline, so that they show on any body."""
    skeleton = act.model.rig.skeleton
    pixels = project_joints(cameras, act.world[run][..., :3, 3])
    thick = max(1.4, min(pictures.shape[1:3]) / 190)
    colours = 70 + 0.72 * linear_to_srgb(joint_colours(skeleton)).astype(np.float64)
    child = np.flatnonzero(skeleton.parents >= 0)
    starts, ends = pixels[:, skeleton.parents[child]], pixels[:, child]
    draw_lines(pictures, starts, ends, OUTLINE, thick + 1.6, 0.75)
    draw_dots(pictures, pixels, OUTLINE, 2 * thick + 1.6, 0.75)
    draw_lines(pictures, starts, ends, colours[child], thick)
    draw_dots(pictures, pixels, colours, 2 * thick)


def _trails(
    pictures: np.ndarray, act: "Act", cameras: Sequence[Camera], run: np.ndarray, joints: Sequence[int]
) -> None:
    """Where the joints came from, the older the fainter, as each frame's own camera sees it."""
    length = int(min(max(round(TRAIL_SECONDS * act.fps), 2), LONGEST_TRAIL))
    colours = TRAIL_COLOURS[np.arange(len(joints)) % len(TRAIL_COLOURS)].astype(np.float64)
    positions = act.world[..., :3, 3][:, list(joints)]
    thick = max(1.6, min(pictures.shape[1:3]) / 150)
    for age in range(length, 0, -1):
        older, newer = (_seen(cameras, positions, run - age + step) for step in (0, 1))
        share = 1 - (age - 1) / length
        draw_lines(pictures, older, newer, colours, thick * (0.35 + 0.65 * share), share)
    draw_dots(pictures, _seen(cameras, positions, run), colours, 2.4 * thick)


def _seen(
    cameras: Sequence[Camera], positions: Float[np.ndarray, "frames joints 3"], frames: np.ndarray
) -> Float[np.ndarray, "run joints 2"]:
    """Pixels of the joints at other frames; of those before the first there are none."""
    known = np.where((frames >= 0)[:, None, None], positions[np.maximum(frames, 0)], np.nan)
    return project_joints(cameras, known)
