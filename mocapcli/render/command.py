"""What `mocap render` does: read, make sense of the wishes, draw, write."""

import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocapcli.convert import choose_clips
from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.formats import read_asset
from mocapcli.kinematics import resample
from mocapcli.render.movie import write_movie, write_png
from mocapcli.render.preview import Act, Wishes, act_of, play, rest_act
from mocapcli.render.rasteriser import Colour
from mocapcli.render.scene import prepare
from mocapcli.render.sheet import Sheet
from mocapcli.render.stage import PALETTES, Palette
from mocapcli.render.viewpoints import CameraMove, parse_view
from mocapcli.types import Asset, Motion, Skeleton

SUFFIXES = (".mp4", ".gif", ".png")
ONE_VIEW, MANY_VIEWS, TILE, GIF = (800, 600), (480, 480), (256, 256), (480, 360)
SMALLEST, LARGEST, MOST_PIXELS = 16, 8192, 1 << 25
MOST_FRAMES = 500_000
GIF_FPS = 25.0  # four hundredths of a second: what gifs can keep exactly
USUAL_FPS = (10.0, 60.0)  # clips outside are shown at 30


@dataclass(frozen=True)
class Request:
    """The command line as given."""

    file: Path
    output: Path
    clip: str | None = None
    rest: bool = False
    views: tuple[str, ...] = ()
    size: str | None = None
    fps: float | None = None
    background: str = "studio"
    camera: CameraMove = "auto"
    skeleton: bool = False
    trails: tuple[str, ...] = ()
    time: float | None = None
    sheet: bool = False
    tiles: int | None = None
    plugin: str | None = None


def render_file(request: Request) -> str:
    """Do it and say what came of it."""
    suffix = request.output.suffix.lower()
    check(request, suffix)
    views = tuple(parse_view(text) for text in request.views or ("three-quarter",))
    size = parse_size(request.size) if request.size else usual_size(request, suffix, len(views))
    if size[0] * size[1] * len(views) > MOST_PIXELS:
        raise UsageError(f"{len(views)} views of {size[0]}x{size[1]} are too large", remedy="choose a smaller --size")
    background = parse_background(request.background)
    asset = read_asset(request.file, request.plugin)
    try:
        trails = tuple(find_joint(asset.rig.skeleton, name) for name in request.trails)
        wishes = Wishes(views, size, background, request.camera, request.skeleton, trails)
        if request.sheet:
            return render_sheet(request, asset, wishes)
        return render_picture(request, asset, wishes) if suffix == ".png" else render_film(request, asset, wishes)
    except InvalidDataError as error:
        error.path = error.path or request.file
        raise


def check(request: Request, suffix: str) -> None:
    """Refuse wishes that contradict each other, before anything is read."""
    if suffix not in SUFFIXES:
        raise UsageError("unknown kind of picture or film", path=request.output, remedy=f"known: {', '.join(SUFFIXES)}")
    if request.sheet and suffix != ".png":
        raise UsageError("a contact sheet is a picture", path=request.output, remedy="name it .png")
    if request.tiles is not None and not request.sheet:
        raise UsageError("--tiles is for contact sheets", remedy="add --sheet")
    if request.time is not None and (suffix != ".png" or request.sheet):
        raise UsageError(
            "--time chooses the moment of a single picture", remedy="name the output .png, without --sheet"
        )
    if request.rest and (request.clip is not None or request.time is not None):
        raise UsageError("--rest shows no clip", remedy="leave out --clip and --time")
    if request.background == "transparent" and (suffix != ".png" or request.sheet):
        raise UsageError("only a single picture can be transparent", path=request.output, remedy="name it .png")


def render_film(request: Request, asset: Asset, wishes: Wishes) -> str:
    gif = request.output.suffix.lower() == ".gif"
    motion = clip_of(request, asset)
    if motion is None:
        act = rest_act(asset.rig, fps=request.fps or (GIF_FPS if gif else 30.0))
    else:
        act = act_of(asset.rig, at_rate(motion, request.fps or usual_fps(motion, gif)))
    count = write_movie(request.output, watched(play(act, wishes), act.frames), act.fps)
    return f"{request.output}: {act.title}, {count} frame{'s' * (count != 1)}, {act.fps:g} fps"


def at_rate(motion: Motion, fps: float) -> Motion:
    """The clip as it is filmed; one of very few frames a second could be hours long."""
    if motion.duration * fps > MOST_FRAMES:
        raise InvalidDataError(
            f"clip {motion.name!r} of {motion.duration:.0f} seconds is too long to film",
            remedy="a lower --fps, or a part of it by mocap convert --start --end",
        )
    return resample(motion, fps)


def render_picture(request: Request, asset: Asset, wishes: Wishes) -> str:
    motion = clip_of(request, asset)
    act = rest_act(asset.rig, turning=False) if motion is None else act_of(asset.rig, motion)
    frame = frame_at(act, request.time)
    picture = next(play(act, wishes, [frame]))
    write_png(request.output, picture)
    moment = f", second {frame / act.fps:.2f}" if motion is not None else ""
    return f"{request.output}: {act.title}{moment}, {picture.shape[1]}x{picture.shape[0]}"


def render_sheet(request: Request, asset: Asset, wishes: Wishes) -> str:
    wanted = [request.clip] if request.clip else []
    motions: Sequence[Motion] = () if request.rest else choose_clips(asset.motions, wanted)
    tiles = request.tiles or (6 if len(motions) > 1 else 12)
    columns = tiles if tiles <= 6 else next((n for n in (6, 5, 4) if tiles % n == 0), 6)
    background = wishes.background
    paper = background.horizon if isinstance(background, Palette) else background or (255, 255, 255)
    sheet = Sheet(wishes, tiles, columns, paper)
    model = prepare(asset.rig)
    acts = (act_of(model, motion) for motion in motions) if motions else iter([rest_act(asset.rig)])
    for _ in watched((place for act in acts for place in sheet.add(act)), tiles * max(1, len(motions))):
        pass
    page = sheet.page()
    write_png(request.output, page)
    count = max(1, len(motions))
    return f"{request.output}: {count} clip{'s' * (count != 1)}, {page.shape[1]}x{page.shape[0]}"


def watched(things: Iterable[Any], total: int) -> Iterator[Any]:
    """With a progress bar where somebody watches."""
    from tqdm import tqdm

    yield from tqdm(things, desc="render", total=total, unit="frame", file=sys.stderr, disable=None)


def clip_of(request: Request, asset: Asset) -> Motion | None:
    """The clip asked for, else the first; None: show the rest pose."""
    if request.rest or (request.clip is None and not asset.motions):
        if request.time is not None:
            raise InvalidDataError("it has no clips, so --time means nothing")
        return None
    return choose_clips(asset.motions, [request.clip or "0"])[0] if request.clip else asset.motions[0]


def frame_at(act: Act, second: float | None) -> int:
    """A moment asked for; else one a third into the clip, where most are in full swing."""
    if second is None:
        return (act.frames - 1) // 3
    frame = round(second * act.fps)
    if frame >= act.frames:
        raise InvalidDataError(f"clip {act.title!r} ends at second {(act.frames - 1) / act.fps:.3f}")
    return frame


def usual_fps(motion: Motion, gif: bool) -> float:
    low, high = USUAL_FPS
    if gif:
        return GIF_FPS if motion.fps >= GIF_FPS or motion.fps < low else motion.fps
    return motion.fps if low <= motion.fps <= high else 30.0


def usual_size(request: Request, suffix: str, views: int) -> tuple[int, int]:
    if request.sheet:
        return TILE
    if views > 1:
        return MANY_VIEWS
    return GIF if suffix == ".gif" else ONE_VIEW


def parse_size(text: str) -> tuple[int, int]:
    """`640` or `800x600`."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
        raise UsageError(f"--size {text!r} is no size", remedy="such as 640 or 800x600")
    width, height = int(parts[0]), int(parts[-1])
    if not all(SMALLEST <= side <= LARGEST for side in (width, height)):
        raise UsageError(f"--size {text} is out of range", remedy=f"from {SMALLEST} to {LARGEST} pixels a side")
    return width, height


def parse_background(text: str) -> Palette | Colour | None:
    from PIL import ImageColor

    if text in PALETTES:
        return PALETTES[text]
    if text == "transparent":
        return None
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise UsageError(
            f"--background {text!r} is no colour", remedy="studio, dark, transparent, or such as white, #20242a"
        ) from None
    return red, green, blue


def find_joint(skeleton: Skeleton, name: str) -> int:
    """By name; where there is none, the most similar names are told."""
    if name in skeleton.names:
        return skeleton.names.index(name)
    alike = difflib.get_close_matches(name, skeleton.names, 8, 0.4)
    shown = [*alike, *(other for other in skeleton.names if other not in alike)][:20]
    listed = ", ".join(shown) + (", …" if len(skeleton.names) > 20 else "")
    raise InvalidDataError(f"no joint named {name!r}", remedy=f"it has {listed}")
