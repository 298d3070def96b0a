"""How fast `mocap render` films: `python tests/benchmarks/bench_preview.py [RIG]`; the first line is a warm-up."""

import sys
import tempfile
import time
from pathlib import Path

from mocapcli.formats import read_asset
from mocapcli.render.movie import write_movie
from mocapcli.render.preview import Wishes, act_of, play
from mocapcli.render.stage import PALETTES

RIG = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "examples" / "dragon.glb"


def main() -> None:
    asset = read_asset(RIG)
    act = act_of(asset.rig, asset.motions[0])
    for name, size in (("warm-up", (64, 64)), ("320x320", (320, 320)), ("800x600", (800, 600))):
        wishes = Wishes(size=size, background=PALETTES["studio"])
        start = time.perf_counter()
        pictures = list(play(act, wishes))
        drawn = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            write_movie(Path(folder) / "a.mp4", pictures, act.fps)
        written = time.perf_counter()
        draw, write = len(pictures) / (drawn - start), len(pictures) / (written - drawn)
        sys.stdout.write(f"{name}: {len(pictures)} frames, drawn at {draw:.0f} fps, written at {write:.0f} fps\n")


if __name__ == "__main__":
    main()
