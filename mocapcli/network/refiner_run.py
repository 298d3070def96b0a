"""Refine a clip: what `mocap capture --refine-iterations` calls. Arrays in, arrays out, memory flat in clip length."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch.nn import functional

from mocapcli.errors import InvalidDataError
from mocapcli.in_threads import in_threads
from mocapcli.network.reference import batch_rigs
from mocapcli.network.refiner import Refiner, Scene
from mocapcli.network.refiner_body import Body, from_camera, look_at, surface_weights, to_camera, view_of
from mocapcli.network.refiner_pose import World
from mocapcli.network.refiner_settle import settle
from mocapcli.network.threads import at_once
from mocapcli.render.camera import Camera

RUN = 48  # frames refined at a time …
MARGIN = 8  # … and seen besides on either side, so that seams do not show
COVERED = 0.002  # share of a crop below which it shows nothing to compare with
MOST_ITERATIONS = 16

Crops = UInt8[np.ndarray, "frames side side 4"]
Inside = Bool[np.ndarray, "frames side side"]
Matrices = Float[np.ndarray, "frames joints 4 4"]


def refine_world(
    refiner: Refiner,
    body: Body,
    crops: Crops,
    cameras: Sequence[Camera],
    world: Matrices,
    iterations: int = 2,
    inside: Inside | None = None,
) -> Matrices:
    """World matrices (metres) after settling and so many iterations; none of these change joints' own places.

    `crops`: RGB with the background removed, and the mask, as `cameras` (of the same world) see them. Frames that
    show nothing stay as they are. `inside`: which pixels of the crops the video's picture shows; None: all of them.
    """
    inside = np.ones(crops.shape[:3], bool) if inside is None else inside
    _check(body, crops, cameras, world, iterations)
    seen = crops[..., 3].mean(axis=(1, 2)) > 255 * COVERED
    refined = world.copy()

    def refine_from(first: int) -> tuple[slice, Matrices]:
        low, high = max(0, first - MARGIN), min(len(world), first + RUN + MARGIN)
        part, kept = slice(low, high), slice(first, min(first + RUN, high))
        film = crops[part], inside[part], cameras[low:high]
        better = _refine_run(refiner, body, *film, world[part], seen[part], iterations)
        return kept, better[kept.start - low : kept.stop - low]

    threads = at_once(next(refiner.parameters()).device)
    for kept, better in in_threads(refine_from, range(0, len(world) if iterations else 0, RUN), threads):
        refined[kept] = better
    refined[~seen] = world[~seen]
    return refined


@torch.inference_mode()
def _refine_run(
    refiner: Refiner,
    body: Body,
    crops: Crops,
    inside: Inside,
    cameras: Sequence[Camera],
    world: Matrices,
    seen: Bool[np.ndarray, " frames"],
    iterations: int,
) -> Matrices:
    device, side = next(refiner.parameters()).device, refiner.config.side
    cameras = [camera.resized(side, side) for camera in cameras]
    rig = batch_rigs([body.reference])
    pictures = torch.from_numpy(np.moveaxis(shrunk(crops, side), -1, 1).astype(np.float32) / 255)
    view, weights = view_of(cameras).to(device), surface_weights([body], rig).to(device)
    scene = Scene(pictures[None].to(device), rig.to(device), view, weights)
    local = to_camera(world, cameras, body.reference.size)
    pose: World = torch.from_numpy(local.astype(np.float32))[None].to(device)
    frames = torch.from_numpy(seen)[None].to(device)
    shown = functional.interpolate(torch.from_numpy(inside)[None].float(), size=(side, side), mode="area").to(device)

    pose = settle(pose, look_at([body], pose, view, side).within(shown), scene.crops, view)
    for _ in range(iterations):
        pose = refiner(scene, pose, look_at([body], pose, view, side).within(shown), frames).world
    return from_camera(_orthonormal(pose[0].cpu().double().numpy(), local), cameras, body.reference.size)


def _orthonormal(pose: Matrices, start: Matrices) -> Matrices:
    """The pose with its rotations free of rounding; scales, where the start has any, are kept."""
    moves = pose[..., :3, :3] @ np.linalg.inv(start[..., :3, :3])
    u, _, vt = np.linalg.svd(moves)
    out = pose.copy()
    out[..., :3, :3] = u @ vt @ start[..., :3, :3]
    return out


def shrunk(crops: Crops, side: int) -> UInt8[np.ndarray, "frames other other 4"]:
    """The same pictures with so many pixels on a side."""
    if crops.shape[1] == side:
        return crops
    pictures = torch.from_numpy(np.moveaxis(crops, -1, 1).astype(np.float32))
    small = functional.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
    return np.ascontiguousarray(np.moveaxis(small.round().clamp(0, 255).byte().numpy(), 1, -1))


def _check(body: Body, crops: Crops, cameras: Sequence[Camera], world: Matrices, iterations: int) -> None:
    if not len(crops) == len(cameras) == len(world):
        raise InvalidDataError(f"{len(crops)} crops, {len(cameras)} cameras and {len(world)} poses do not fit together")
    if world.shape[1] != body.reference.joints:
        raise InvalidDataError(f"the pose has {world.shape[1]} joints, the rig has {body.reference.joints}")
    if any((camera.width, camera.height) != crops.shape[1:3] for camera in cameras):
        raise InvalidDataError("the cameras are not those of the crops: their sizes differ")
    if not 0 <= iterations <= MOST_ITERATIONS:
        raise InvalidDataError(f"iterations must lie between 0 and {MOST_ITERATIONS}, not {iterations}")
