"""What the tests of subjects share: creatures filmed, and scenes drawn."""

from dataclasses import replace

import numpy as np

from mocapcli.data.videos import film, random_view
from mocapcli.data.windows import cut_motion
from mocapcli.render.movie import write_mp4
from mocapcli.video import open_video
from mocapcli.zoo import make_creature
from video_helpers import iou


def filmed(seed, background=None, frames=24, size=256):
    """A zoo creature before one of the data module's random backgrounds."""
    random = np.random.default_rng(seed)
    creature = make_creature(seed)
    motion = cut_motion(creature.motions[seed % len(creature.motions)], 0, 2 * frames)
    motion = replace(motion, rotations=motion.rotations[::2], translations=motion.translations[::2], scales=None)
    view = random_view(random, size)
    if background is not None:
        view = replace(view, background=np.broadcast_to(np.array(background, np.uint8), (size, size, 3)).copy())
    return film(creature, motion, view, size)


def saved(tmp_path, frames, fps=15.0, name="x.mp4"):
    path = tmp_path / name
    write_mp4(path, iter(frames), fps)
    return open_video(path)


def overlaps(subject, truth):
    return [iou(subject.mask(at), mask) for at, mask in enumerate(truth)]


def textured(height=96, width=128, seed=0):
    """A background with plenty of detail at all scales."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.integers(40, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    return np.clip(coarse + random.integers(-15, 15, (height, width, 1)), 0, 255).astype(np.uint8)


def scene(frames=24, height=96, width=128, squares=((28, 3, 30, (230, 40, 30)),), seed=0):
    """Squares (side, speed, top, colour) that cross a textured background from left to right; frames and masks."""
    pixels = np.repeat(textured(height, width, seed)[None], frames, axis=0)
    masks = np.zeros((len(squares), frames, height, width), bool)
    for number, (side, speed, top, colour) in enumerate(squares):
        for t in range(frames):
            left = round(4 + speed * t) if speed >= 0 else round(width - 4 - side + speed * t)
            masks[number, t, top : top + side, max(left, 0) : max(left + side, 0)] = True
        pixels[masks[number]] = colour
    return pixels, masks


def shaking(frames=20, seed=4):
    """The scene of a moving camera: a window that wanders over a larger one."""
    random = np.random.default_rng(seed)
    wide = textured(160, 240, seed)
    steps = np.cumsum(random.integers(-3, 4, (frames, 2)), axis=0) + np.array([30, 40])
    pixels = np.stack([wide[y : y + 96, x : x + 128] for y, x in np.clip(steps, 0, (60, 100))])
    masks = np.zeros(pixels.shape[:3], bool)
    for t in range(frames):
        masks[t, 30:70, 20 + 2 * t : 50 + 2 * t] = True
    pixels[masks] = (240, 30, 200)
    return pixels, masks
