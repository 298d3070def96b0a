"""How well and how fast subjects are found: zoo creatures before the random backgrounds of the data module.

`python tests/benchmarks/bench_subject.py [first seed] [seeds]` prints mean IoU with the true
masks, the worst frame's, and CPU milliseconds a frame for finding and for cutting crops of 128 pixels.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from mocapcli.data.videos import Video, film, random_view
from mocapcli.data.windows import cut_motion
from mocapcli.errors import MocapError
from mocapcli.render.movie import write_mp4
from mocapcli.subject import find_subject
from mocapcli.video import open_video
from mocapcli.zoo import make_creature

FRAMES, SIZE = 48, 256


def clip(seed: int) -> Video:
    random = np.random.default_rng(seed)
    creature = make_creature(seed)
    motion = cut_motion(creature.motions[seed % len(creature.motions)], 0, FRAMES)
    return film(creature, replace(motion, scales=None), random_view(random, SIZE), SIZE)


def measure(seed: int, folder: Path) -> None:
    video = clip(seed)
    path = folder / f"{seed}.mp4"
    write_mp4(path, iter(video.frames), 30.0)
    started = time.process_time()
    try:
        subject = find_subject(open_video(path))
    except MocapError as error:
        print(f"{seed:4d}  {error.problem}")  # noqa: T201
        return
    with subject:
        found = time.process_time()
        crops = sum(len(each) for each in subject.crops())
        cut = time.process_time()
        truth = video.masks > 0.5
        masks = [subject.mask(at) > 127 for at in range(len(subject))]
    scores = [(m & t).sum() / max((m | t).sum(), 1) for m, t in zip(masks, truth, strict=True)]
    times = f"{1000 * (found - started) / crops:6.1f} {1000 * (cut - found) / crops:5.1f}"
    print(f"{seed:4d}  {np.mean(scores):.3f}  {min(scores):.3f}  {times}  {video.motion.name:10s}  {subject.reason}")  # noqa: T201


if __name__ == "__main__":
    first, count = (int(word) for word in (sys.argv[1:] + ["0", "12"][len(sys.argv) - 1 :]))
    print("seed   IoU  worst    find   cut  motion      chosen")  # noqa: T201
    with tempfile.TemporaryDirectory() as name:
        for number in range(first, first + count):
            measure(number, Path(name))
