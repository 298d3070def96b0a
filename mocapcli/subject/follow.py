"""Connected parts of masks followed through time: who is who, also where two subjects touch or one comes in pieces."""
# mypy: allow-untyped-calls

from array import array
from dataclasses import dataclass, field
from heapq import nlargest

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from mocapcli.subject.kernels import grow
from mocapcli.subject.survey import Box
from mocapcli.video.frames import Number

LEAST_AREA = 0.0006  # of the picture
MOST_PARTS = 40  # in a frame; the largest count
PIECE_GAP = 0.12  # of a subject's size: parts nearer than this are pieces of it
MEMORY = 2.0  # seconds a lost subject is expected near where it was
LIKE = 0.55  # overlap of colour histograms that makes a newcomer the lost one
MOST_TRACKS = 65_000
MOST_LIKE = 200  # that a newcomer is compared with, those seen most
COLUMNS = 7  # of a track's rows: frame, left, top, right, bottom, area, shared


@dataclass(eq=False)
class Track:
    """One subject so far."""

    number: int
    rows: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    colours: Float[np.ndarray, " bins"] | None = None
    weight: float = 0.0  # area times frames

    @property
    def table(self) -> Float[np.ndarray, "frames columns"]:
        return np.array(self.rows).reshape(-1, COLUMNS)

    @property
    def box(self) -> Box:
        left, top, right, bottom = self.rows[-6:-2]
        return left, top, right, bottom

    @property
    def last_frame(self) -> int:
        return int(self.rows[-7])

    @property
    def last_area(self) -> float:
        return float(self.rows[-2])


@dataclass(eq=False)
class Part:
    """A connected part of one mask. `chosen` are its pixels within `place`."""

    place: tuple[slice, slice]
    label: int
    area: int
    owners: list[Track] = field(default_factory=list)

    @property
    def box(self) -> Box:
        rows, columns = self.place
        return columns.start, rows.start, columns.stop, rows.stop


class Follower:
    """Called with one mask after another; gives each pixel its subject's number."""

    def __init__(self, fps: Number) -> None:
        self.fps = fps
        self.tracks: list[Track] = []
        self.frame = -1
        self.before: np.ndarray | None = None
        self.known: list[Track] = []  # with a past
        self.recent: list[Track] = []  # of those, who may still be near

    def step(
        self, mask: UInt8[np.ndarray, "height width"], frame: UInt8[np.ndarray, "height width 3"]
    ) -> Int[np.ndarray, "height width"]:
        self.frame += 1
        self.known = [track for track in self.tracks if track.colours is not None]
        self.recent = [track for track in self.known if self._age(track) <= MEMORY]
        parts, labels = find_parts(mask)
        for part in parts:
            part.owners = self._overlapping(part, labels)
        taken = {id(track) for part in parts for track in part.owners}
        for part in parts:
            if not part.owners:
                owner = self._nearby(part, taken) or self._returned(part, labels, frame, taken) or self._new()
                part.owners = [owner]
                taken.add(id(owner))
        self._part_company(parts)
        owned = self._paint(parts, labels, mask)
        self._remember(owned, parts, frame)
        self.before = owned
        return owned

    def _new(self) -> Track:
        """A subject more; beyond what can be counted: nobody."""
        if len(self.tracks) >= MOST_TRACKS:
            return Track(0)
        self.tracks.append(Track(len(self.tracks) + 1))
        return self.tracks[-1]

    def _age(self, track: Track) -> float:
        """Seconds since it was seen."""
        return (self.frame - track.last_frame) / float(self.fps)

    def _overlapping(self, part: Part, labels: np.ndarray) -> list[Track]:
        """Tracks whose last pixels lie in this part."""
        if self.before is None:
            return []
        inside = self.before[part.place][labels[part.place] == part.label]
        counts = np.bincount(inside)
        found = []
        for number in np.flatnonzero(counts[1:]) + 1:
            track = self.tracks[number - 1]
            if counts[number] > 0.1 * min(part.area, track.last_area):
                found.append((track, counts[number]))
        largest = max((track.last_area for track, _ in found), default=0)
        substantial = [(track, count) for track, count in found if track.last_area > 0.12 * largest]
        return [track for track, _ in sorted(substantial, key=lambda each: -each[1])]

    def _nearby(self, part: Part, taken: set[int]) -> Track | None:
        """A subject this may be a piece of, or that was lost here a moment ago."""
        best, least = None, np.inf
        for track in self.recent:
            away, age = gap(part.box, track.box), self._age(track)
            present = id(track) in taken
            fits = part.area < 0.35 * track.last_area if present else 0.2 < part.area / track.last_area < 5
            reach = PIECE_GAP * size(track.box) * (1 if present else 1 + 4 * age)
            if fits and away <= reach and away < least:
                best, least = track, away
        return best

    def _returned(self, part: Part, labels: np.ndarray, frame: np.ndarray, taken: set[int]) -> Track | None:
        """A subject that left and looks like this one."""
        mine = signature(frame[part.place][labels[part.place] == part.label])
        best, most = None, LIKE
        for track in nlargest(MOST_LIKE, self.known, key=lambda each: each.weight):
            if id(track) in taken or self.frame - track.last_frame < 2:
                continue
            alike = 0.0 if track.colours is None else float(np.minimum(track.colours, mine).sum())
            if alike > most and track.weight > part.area:
                best, most = track, alike
        return best

    def _part_company(self, parts: list[Part]) -> None:
        """Large pieces that moved away from the main one are subjects of their own."""
        mains: dict[int, Part] = {}
        for part in parts:
            if len(part.owners) != 1:
                continue
            main = mains.setdefault(part.owners[0].number, part)
            if main is part:
                continue
            if part.area > 0.15 * main.area and gap(part.box, main.box) > PIECE_GAP * size(main.box):
                part.owners = [self._new()]

    def _paint(self, parts: list[Part], labels: np.ndarray, mask: np.ndarray) -> Int[np.ndarray, "height width"]:
        owned = np.zeros(labels.shape, np.int32)
        for part in parts:
            chosen = labels[part.place] == part.label
            number: np.ndarray | int = part.owners[0].number
            if len(part.owners) > 1 and self.before is not None:
                number = nearest_owner(self.before, [track.number for track in part.owners], part.place)[chosen]
            owned[part.place][chosen] = number
        return np.where(mask > 0, owned, 0)

    def _remember(self, owned: np.ndarray, parts: list[Part], frame: np.ndarray) -> None:
        shared = {track.number for part in parts if len(part.owners) > 1 for track in part.owners}
        for number, place in enumerate(ndimage.find_objects(owned), start=1):
            if place is None or number > len(self.tracks):
                continue
            track, rows, columns = self.tracks[number - 1], *place
            chosen = owned[place] == number
            area = float(chosen.sum())
            box = (columns.start, rows.start, columns.stop, rows.stop)
            track.rows.extend([self.frame, *map(float, box), area, float(number in shared)])
            track.weight += area
            if track.colours is None or (number not in shared and self.frame % 8 == 0):
                new = signature(frame[place][chosen])
                track.colours = new if track.colours is None else 0.8 * track.colours + 0.2 * new


def find_parts(mask: UInt8[np.ndarray, "height width"]) -> tuple[list[Part], Int[np.ndarray, "height width"]]:
    """Connected parts, largest first; what a hair's breadth separates is connected."""
    solid = mask > 127
    reach = max(1, round(0.006 * max(mask.shape)))
    joined = grow(mask > 0, reach)
    labels, _ = ndimage.label(joined, structure=np.ones((3, 3)))
    areas = np.bincount(labels[solid], minlength=labels.max() + 1)
    places = ndimage.find_objects(labels)
    least = LEAST_AREA * mask.size
    parts = [
        Part((place[0], place[1]), n, int(areas[n])) for n, place in enumerate(places, start=1) if areas[n] >= least
    ]
    parts = sorted(parts, key=lambda part: -part.area)[:MOST_PARTS]
    return parts, labels


def nearest_owner(
    before: Int[np.ndarray, "height width"], numbers: list[int], place: tuple[slice, slice]
) -> Int[np.ndarray, "_ _"]:
    """For each pixel of a place the number, of those given, whose last pixels are nearest."""
    away = [ndimage.distance_transform_edt(before[place] != number) for number in numbers]
    here = [(before[place] == number).any() for number in numbers]
    away = [each if any_here else np.full_like(each, np.inf) for each, any_here in zip(away, here, strict=True)]
    return np.asarray(np.array(numbers)[np.argmin(away, axis=0)])


def gap(one: tuple[Number, ...], other: tuple[Number, ...]) -> float:
    """Distance between two boxes; 0 where they overlap."""
    across = max(one[0] - other[2], other[0] - one[2], 0.0)
    down = max(one[1] - other[3], other[1] - one[3], 0.0)
    return float(np.hypot(across, down))


def size(box: tuple[Number, ...]) -> float:
    return float(np.hypot(box[2] - box[0], box[3] - box[1]))


def signature(pixels: UInt8[np.ndarray, "pixels 3"]) -> Float[np.ndarray, " bins"]:
    """Shares of 6 × 6 × 6 colours."""
    codes = (pixels.astype(np.int64) * 6 // 256) @ np.array([36, 6, 1])
    counts = np.bincount(codes, minlength=216).astype(float)
    return np.asarray(counts / max(counts.sum(), 1))


def subjects_of(tracks: list[Track], frames: int, fps: Number) -> list[Track]:
    """Tracks worth calling a subject, largest (area over time) first."""
    ranked = sorted((track for track in tracks if len(track.rows)), key=lambda track: -track.weight)
    if not ranked:
        return []
    least_frames = min(0.4 * fps, 0.2 * frames)
    return [
        track
        for track in ranked
        if track.weight >= 0.06 * ranked[0].weight and len(track.rows) / COLUMNS >= least_frames
    ] or ranked[:1]
