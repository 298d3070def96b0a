"""The worst, the median and the best case as a film: video, truth and prediction beside each other."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from mocapcli.console import printable
from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window
from mocapcli.errors import InvalidDataError
from mocapcli.evaluation.cases import COPY, Case, Shot, skill
from mocapcli.evaluation.results import Judged, Results
from mocapcli.evaluation.run import Setting
from mocapcli.extensions import Metric
from mocapcli.kinematics import affine
from mocapcli.metrics import Pose, Subject
from mocapcli.render.camera import Camera
from mocapcli.render.movie import write_movie
from mocapcli.render.overlays import overlay
from mocapcli.render.preview import Act, Wishes, panel
from mocapcli.render.scene import World, prepare
from mocapcli.render.stage import PALETTES
from mocapcli.render.viewpoints import Extent, Viewpoint, extent_of, parse_view, path_of, place_cameras

JUDGED_BY = ("rotation_local_deg", "mpjpe_percent")  # the first that the setting has: what leaves do shows too
SIDE = 288  # pixels of a panel
BAND, CAPTION, GAP = 26, 20, 3
INK, FAINT, PAPER = (30, 34, 40), (104, 110, 120), (250, 250, 251)
BACKDROP = PALETTES["studio"]
Clip = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True)
class Example:
    """A window worth seeing, and what is to be said of it."""

    window: Window
    row: str
    words: str


def write_film(
    path: Path,
    results: Results,
    cache: Cache,
    windows: Sequence[Window],
    setting: Setting,
    metrics: Mapping[str, Metric],
) -> list[Example]:
    """One band for each example, above each other, all started together; a shorter one waits in its last frame."""
    examples = choose_examples(results, windows, metrics)
    cases = [(setting.case(cache, example.window), example) for example in examples]
    bands = [draw_band(case, example) for case, example in cases]
    fps = max(case.fps for case, _ in cases)
    write_movie(path, stacked(bands, [case.fps for case, _ in cases], fps), fps)
    return examples


def choose_examples(results: Results, windows: Sequence[Window], metrics: Mapping[str, Metric]) -> list[Example]:
    """By the error of our row, or of the closed form where there is no model."""
    filled = [row for row in results.rows if row not in results.absent and row != COPY]
    row = next((name for name in ("ours", "direct", *filled) if name in filled), None)
    figure = next((name for name in JUDGED_BY if row and name in metrics and name in results.rows[row]), None)
    if row is None or figure is None:
        raise InvalidDataError("there is nothing to show in a film", remedy="--model NAME or DIR")
    by_label = {window.label: window for window in windows}

    def error(judged: Judged) -> float:
        return judged.rows.get(row, {}).get(figure, math.nan)

    ranked = sorted((w for w in results.windows if math.isfinite(error(w))), key=lambda w: (-error(w), w.label))
    if not ranked:
        raise InvalidDataError("there is nothing to show in a film: no clip has a figure")
    chosen = {len(ranked) // 2: "median", len(ranked) - 1: "best", 0: "worst"}  # of fewer than three, each once
    found = []
    for place, name in sorted(chosen.items()):
        judged = ranked[place]
        value, copy = error(judged), judged.rows[COPY].get(figure, math.nan)
        words = f"{name} of {len(ranked)} by {metrics[figure].description}: {value:.1f}, copy {copy:.1f}"
        worth = skill(value, copy)
        words += f", skill {worth:+.2f}" if math.isfinite(worth) else ""
        found.append(Example(by_label[judged.label], row, words))
    return found


def draw_band(case: Case, example: Example) -> Clip:
    """A case's panels with its title above and their names below."""
    if case.shot is None:
        raise InvalidDataError("this setting has nothing to show")
    panels: dict[str, Clip] = {}
    if case.shot.frames is not None:
        panels["video"] = resized(case.shot.frames)
    panels |= draw_poses(case, {"truth": case.truth, example.row: case.predictions[example.row]}, case.shot)
    pictures = np.concatenate(list(panels.values()), axis=2)
    frames, height, width, _ = pictures.shape
    sheet = np.empty((frames, BAND + height + CAPTION, width, 3), np.uint8)
    sheet[:] = label_page(width, height, printable(case.shot.title), example.words, list(panels))
    sheet[:, BAND : BAND + height] = pictures
    return sheet


def draw_poses(case: Case, poses: Mapping[str, Pose], shot: Shot) -> dict[str, Clip]:
    """Every pose from the same cameras: those of the video or, without one, such as see the truth."""
    model = prepare(shot.asset.rig)
    truth = world_of(case.truth, case)
    view = parse_view("three-quarter")
    extent, path = extent_of(model, truth), path_of(model, truth, case.fps)
    cameras: Sequence[Camera] = place_cameras(extent, path, view, (SIDE, SIDE))
    if shot.cameras:
        view = Viewpoint("video", 0.0, 0.0)
        cameras = [camera.resized(SIDE, SIDE) for camera in shot.cameras]
    drawn = {}
    for name, pose in poses.items():
        act = Act(model, world_of(pose, case), case.fps, name)
        body = pose.rotations is not None
        drawn[name] = _draw(act, view, cameras, extent, path, carrying(case.subject), body)
    return drawn


def _draw(
    act: Act,
    view: Viewpoint,
    cameras: Sequence[Camera],
    extent: Extent,
    path: np.ndarray,
    bones: Bool[np.ndarray, " joints"],
    body: bool,
) -> Clip:
    """The body, where rotations are known, with its skeleton over it."""
    run = np.arange(act.frames)
    if body:
        wishes = Wishes((view,), (SIDE, SIDE), BACKDROP)
        pictures = panel(act, wishes, view, cameras, run, extent, path)
    else:
        pictures = np.empty((act.frames, SIDE, SIDE, 3), np.uint8)
        pictures[:] = BACKDROP.floor
    world = act.world.copy()
    world[:, ~bones, :3, 3] = np.nan
    overlay(pictures, Act(act.model, world, act.fps, act.title), cameras, run, True, ())
    pictures[:, :, -GAP:] = PAPER
    return np.asarray(pictures)


def carrying(subject: Subject) -> Bool[np.ndarray, " joints"]:
    """Joints that deform the body or carry such: neither handles nor poles."""
    found = subject.shown.copy()
    for joint in range(len(found) - 1, 0, -1):
        if found[joint] and subject.parents[joint] >= 0:
            found[subject.parents[joint]] = True
    return np.asarray(found)


def world_of(pose: Pose, case: Case) -> World:
    """World matrices; a clip whose place nobody knows is put where the true one is, on the whole."""
    positions = pose.positions
    if not (pose.stands and case.truth.stands):
        root = case.subject.root
        positions = positions + (case.truth.positions[:, root] - positions[:, root]).mean(axis=0)
    plain = np.broadcast_to(np.eye(3), (*positions.shape, 3))
    return affine(plain if pose.rotations is None else pose.rotations, positions)


def resized(frames: Clip) -> UInt8[np.ndarray, "frames side side 3"]:
    side = (SIDE, SIDE)
    out = np.stack([np.asarray(Image.fromarray(frame).resize(side, Image.Resampling.BICUBIC)) for frame in frames])
    out[:, :, -GAP:] = PAPER
    return out


def label_page(width: int, height: int, title: str, words: str, names: Sequence[str]) -> UInt8[np.ndarray, "_ _ 3"]:
    """An empty band: its title, what is to be said, and the panels' names."""
    image = Image.new("RGB", (width, BAND + height + CAPTION), PAPER)
    pen = ImageDraw.Draw(image)
    strong, small = ImageFont.load_default(14), ImageFont.load_default(12)
    pen.text((8, 5), words, INK, strong)
    taken = 20 + pen.textlength(words, strong)
    room = width - 8 - taken
    if pen.textlength(title, small) > room:
        kept = next(n for n in range(len(title), -1, -1) if not n or pen.textlength(title[:n] + "…", small) <= room)
        title = title[:kept] + "…" if kept else ""
    pen.text((taken, 7), title, FAINT, small)
    for number, name in enumerate(names):
        middle = (number + 0.5) * width / len(names)
        pen.text((middle, BAND + height + 2), name, INK, small, anchor="ma")
    return np.asarray(image)


def stacked(
    bands: Sequence[UInt8[np.ndarray, "_ _ width 3"]], rates: Sequence[float], fps: float
) -> Iterator[UInt8[np.ndarray, "_ width 3"]]:
    """Frames of all bands at one rate, above each other."""
    seconds = max(len(band) / rate for band, rate in zip(bands, rates, strict=True))
    for frame in range(round(seconds * fps)):
        rows = [
            band[min(int(frame / fps * rate + 1e-6), len(band) - 1)] for band, rate in zip(bands, rates, strict=True)
        ]
        yield np.concatenate(rows)
