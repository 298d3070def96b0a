"""A sheet of captures on rigs never trained on: what the film shows, and what `mocap capture` made of it.

python tests/benchmarks/capture_sheet.py --cache CACHE --output docs/captures.jpg [--model NAME] [--adapt 3m]

One clip of each family of the unseen split is filmed in front of a plain colour, written as a video, and captured on
the rig as it is in the cache, without its clips. Pairs of pictures: the video, the rig in the captured motion seen by
the same camera. Adapters are kept where capture keeps them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mocapcli.capturing.api import capture_video
from mocapcli.capturing.models import load_model
from mocapcli.capturing.options import Options
from mocapcli.data.cache import Cache, open_cache
from mocapcli.data.videos import film, random_view
from mocapcli.data.windows import Window, cut_motion, evaluation_windows, random_of
from mocapcli.render.movie import write_mp4
from mocapcli.types import Asset
from mocapcli.video import open_video

SIDE = 192
PLAIN = np.array([214, 222, 230], np.uint8)
MOMENTS = (0.15, 0.5, 0.85)
PAPER, INK = (250, 250, 251), (30, 34, 40)


def liveliest(windows: list[Window], cache: Cache) -> list[Window]:
    """Of each rig's file, the window that moves most."""
    best: dict[str, tuple[float, Window]] = {}
    for window in windows:
        asset = cache.load(window.entry)
        motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
        moved = float(np.abs(np.diff(motion.rotations, axis=0)).sum() / motion.frames / asset.rig.skeleton.joints)
        family = window.entry.family
        if family not in best or moved > best[family][0]:
            best[family] = moved, window
    return [best[family][1] for family in sorted(best)]


def filmed(asset: Asset, window: Window, path: Path) -> None:
    random = random_of("sheet", window.label)
    view = random_view(random)
    plain = np.broadcast_to(PLAIN, view.background.shape)
    view = type(view)(view.yaw, view.pitch, view.fov, 0.8, view.lights, np.array(plain))
    motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
    write_mp4(path, iter(film(asset, motion, view).frames), motion.fps)


def row(cache: Cache, window: Window, model: str | None, adapt: str) -> Image.Image:
    asset = cache.load(window.entry)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filmed(asset, window, folder / "clip.mp4")
        options = Options(model=model, adapt=adapt, preview=folder / "preview.mp4")
        known = asset.with_motions([cut_motion(asset.motions[0], 0, 1)])  # the reference pose and no clip
        captured = capture_video(folder / "clip.mp4", known, options, load_model(model))
        frames = np.concatenate([chunk.pixels for chunk in open_video(folder / "preview.mp4").chunks()])
    width = frames.shape[2] // 3
    picture = Image.new("RGB", (2 * SIDE * len(MOMENTS), SIDE + 20), PAPER)
    for place, moment in enumerate(MOMENTS):
        both = Image.fromarray(frames[round(moment * (len(frames) - 1))][:, : 2 * width, :3])
        picture.paste(both.resize((2 * SIDE, SIDE)), (2 * SIDE * place, 20))
    found = captured.report
    label = f"{Path(window.entry.source).stem}: {found.joints} joints, confidence {found.confidence:.0%}"
    ImageDraw.Draw(picture).text((6, 3), label, INK, ImageFont.load_default(13))
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--adapt", default="3m")
    parser.add_argument("--only", nargs="*", help="parts of file names")
    parser.add_argument("--output", type=Path, required=True)
    wanted = parser.parse_args()
    cache = open_cache(wanted.cache)
    rows = []
    for window in liveliest(evaluation_windows(cache, "unseen"), cache):
        if wanted.only and not any(part in window.entry.source for part in wanted.only):
            continue
        rows.append(row(cache, window, wanted.model, wanted.adapt))
        sys.stdout.write(f"{window.label}\n")
        columns = 2 if len(rows) > 6 else 1
        tall = -(-len(rows) // columns)
        sheet = Image.new("RGB", (columns * rows[0].width, tall * rows[0].height), PAPER)
        for number, picture in enumerate(rows):
            sheet.paste(picture, (number // tall * picture.width, number % tall * picture.height))
        sheet.save(wanted.output, quality=88)


if __name__ == "__main__":
    main()
