"""Find the subject of a video, follow it, and cut it out: `find_subject(video)`, then `.crops()`.

Three runs through the video, none of which holds it in memory: a look over all of it, masks at working size (packed
on disk), crops from the full frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import TracebackType

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.in_threads import stack_each
from mocapcli.render.camera import Camera
from mocapcli.subject.choose import REMEDY, choose_segmenter
from mocapcli.subject.cut import cut_crop
from mocapcli.subject.follow import Follower, Track, subjects_of
from mocapcli.subject.path import Path, crop_cameras, path_of
from mocapcli.subject.store import MaskStore
from mocapcli.subject.survey import Box, Masker, Survey, Wishes, look_over
from mocapcli.video.frames import Number
from mocapcli.video.read import Video

PHONE_FOCAL = 0.85  # of the longer side: a phone's main camera, when nothing is known


@dataclass(frozen=True, eq=False)
class Crops:
    """Some consecutive crops: RGB on black, mask as alpha. Cameras stand in the full camera's frame."""

    images: UInt8[np.ndarray, "frames size size 4"]
    cameras: tuple[Camera, ...]
    confidence: Float[np.ndarray, " frames"]
    times: Float[np.ndarray, " frames"]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Options:
    """How to find and cut. `subject` counts from 1, the largest; `fov` is vertical, in degrees."""

    method: str | None = None
    box: Box | None = None
    mask: FilePath | None = None
    model: str | FilePath | None = None
    subject: int = 1
    fov: Number | None = None
    correct: bool = True


@dataclass(eq=False)
class Subject:
    """One subject of a video. Close it, or use it in a `with`: its masks lie in a temporary file."""

    video: Video
    camera: Camera  # of the full picture, at the origin
    reason: str  # which segmenter, and why
    found: int  # subjects in the video
    number: int  # this one
    times: Float[np.ndarray, " frames"]
    path: Path
    notes: list[str]
    correct: bool
    _store: MaskStore = field(repr=False)
    _owner: int = 0

    def __len__(self) -> int:
        return len(self.times)

    @property
    def confidence(self) -> Float[np.ndarray, " frames"]:
        """Per frame: 1 where the subject is plainly seen, lower where it is cut off, hidden or guessed."""
        return self.path.confidence

    def cameras(self, size: int = 128) -> list[Camera]:
        """The crops' cameras."""
        return crop_cameras(self.path, self.camera, size, self.video.fps, self.correct)

    def mask(self, frame: int) -> UInt8[np.ndarray, "height width"]:
        """This subject in one frame, at working size."""
        return self._store.read(frame, self._owner)

    def crops(self, size: int = 128, chunk: int = 64) -> Iterator[Crops]:
        """All crops in order, at most so many at a time."""
        cameras, gathered, first = self.cameras(size), list[np.ndarray](), 0
        for frames in self.video.chunks():
            at = first + len(gathered)
            gathered.extend(self._cut(frames.pixels[: len(self) - at], cameras[at:], at))
            while len(gathered) >= chunk:
                yield self._crops(gathered[:chunk], cameras, first)
                first, gathered = first + chunk, gathered[chunk:]
        if gathered:
            yield self._crops(gathered, cameras, first)

    def _cut(
        self, pixels: UInt8[np.ndarray, "frames height width 3"], cameras: list[Camera], first: int
    ) -> list[np.ndarray]:
        if not len(pixels):
            return []
        masks = [self.mask(first + number) for number in range(len(pixels))]
        cut = (pixels, masks, cameras[: len(pixels)])
        return list(stack_each(lambda each: cut_crop(each[0], each[1], self.camera, each[2]), zip(*cut, strict=True)))

    def _crops(self, images: list[np.ndarray], cameras: list[Camera], first: int) -> Crops:
        part = slice(first, first + len(images))
        return Crops(np.stack(images), tuple(cameras[part]), self.confidence[part], self.times[part])

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> "Subject":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_subject(video: Video, options: Options | None = None) -> Subject:
    """Choose a segmenter, mask every frame, follow what is there, and pick one subject."""
    options = options or Options()
    if options.subject < 1:
        raise UsageError(f"--subject counts from 1, not {options.subject}")
    camera = full_camera(video.width, video.height, options.fov)
    survey = look_over(video)
    wishes = Wishes(options.method, options.box, options.mask, options.model)
    segmenter, reason = choose_segmenter(survey, wishes)
    store = MaskStore(survey.video.height, survey.video.width)
    try:
        follower, times, held = _mask_all(survey, segmenter.open(survey, wishes), store)
        track, found = _pick(follower, options.subject, video)
        path = path_of(track, held, camera, survey.scale, video.fps)
    except BaseException:
        store.close()
        raise
    notes = [*video.notes, *survey.notes, *_found(found, options.subject), *_gaps(path, video.fps)]
    return Subject(
        video, camera, reason, found, options.subject, times, path, notes, options.correct, store, track.number
    )


def full_camera(width: int, height: int, fov: Number | None = None) -> Camera:
    """The video's own camera, at the origin, looking along -Z; a phone's where the field of view is not known."""
    if fov is not None and not 1 <= fov <= 170:
        raise UsageError(f"--fov must lie between 1 and 170 degrees, not {fov:g}")
    focal = PHONE_FOCAL * max(width, height) if fov is None else height / (2 * np.tan(np.radians(fov) / 2))
    return Camera(np.zeros(3), np.eye(3), width, height, float(focal), (width / 2, height / 2))


def _mask_all(
    survey: Survey, masker: Masker, store: MaskStore
) -> tuple[Follower, Float[np.ndarray, " frames"], Bool[np.ndarray, " frames"]]:
    follower, times, held = Follower(survey.video.fps), list[np.ndarray](), list[np.ndarray]()
    for frames in survey.video.chunks():
        for frame, mask in zip(frames.pixels, masker(frames), strict=True):
            store.append(mask, follower.step(mask, frame))
        times.append(frames.times)
        held.append(frames.held)
    return follower, np.concatenate(times), np.concatenate(held)


def _pick(follower: Follower, wanted: int, video: Video) -> tuple[Track, int]:
    found = subjects_of(follower.tracks, follower.frame + 1, video.fps)
    if not found:
        raise InvalidDataError("no subject was found in this video", path=video.path, remedy=REMEDY)
    if wanted > len(found):
        count = f"{len(found)} subjects" if len(found) > 1 else "one subject"
        raise UsageError(f"there is no subject {wanted}: the video shows {count}", path=video.path)
    return found[wanted - 1], len(found)


def _found(found: int, number: int) -> list[str]:
    if found == 1:
        return []
    return [f"{found} subjects were found; this is number {number} by size (--subject N chooses)"]


def _gaps(path: Path, fps: float) -> list[str]:
    lost = int((~path.seen).sum())
    if not lost:
        return []
    return [f"the subject is not to be seen in {lost} of {len(path.seen)} frames ({lost / fps:.1f} s): bridged"]
