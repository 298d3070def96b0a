"""Which videos and which rigs become which files."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mocapcli.errors import ReadError
from mocapcli.plugins import get_plugins


@dataclass(frozen=True)
class Pair:
    """One video for one rig."""

    video: Path
    rig: Path
    output: Path


def find_videos(paths: Iterable[Path], leave_out: Iterable[Path]) -> list[Path]:
    """Videos as named, and all those in folders, in a steady order, each once.

    In a folder, films count wherever they lie, and so does every folder of pictures that holds no film. What lies below
    `leave_out`, where results go, or is hidden does not.
    """
    found: dict[Path, Path] = {}
    written = {path.resolve() for path in leave_out}
    for path in paths:
        for video in _videos_in(path, written) if path.is_dir() else [path]:
            found.setdefault(video.resolve(), video)
    return list(found.values())


def _videos_in(folder: Path, leave_out: set[Path]) -> list[Path]:
    sources = get_plugins().sources.values()
    films = {extension for source in sources if not source.folders for extension in source.extensions}
    pictures = {extension for source in sources if source.folders for extension in source.extensions}
    written = {path for path in leave_out if folder.resolve() in path.parents}
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and written.isdisjoint(path.resolve().parents)
        and path.is_file()
    ]
    kinds = {path: path.suffix.lower().lstrip(".") for path in files}
    movies = [path for path in files if kinds[path] in films]
    filmed = {path.parent for path in movies}
    albums = {path.parent for path in files if kinds[path] in pictures} - filmed
    if not movies and not albums:
        raise ReadError("no video in this folder", path=folder)
    return sorted([*movies, *albums])


def plan_outputs(
    videos: Sequence[Path], rigs: Sequence[Path], folder: Path, extensions: Sequence[str]
) -> tuple[list[Pair], list[str]]:
    """Every video for every rig as `VIDEO-RIG.EXT`, with an extension for each rig, and notes on odd names.

    Where names would clash, the clashing ones alone become longer: by the extensions, then the folders' names, then a
    fingerprint of the paths. A name depends on nothing but the inputs, whatever their order.
    """
    couples = [(video, rig) for video in videos for rig in rigs]
    endings = [f".{extension}" for _ in videos for extension in extensions]
    levels = [0] * len(couples)
    while True:
        names = [
            _name(video, rig, level) + ending
            for (video, rig), level, ending in zip(couples, levels, endings, strict=True)
        ]
        counts = Counter(name.casefold() for name in names)  # some file systems take walk and Walk for one
        clashing = [
            place for place, name in enumerate(names) if counts[name.casefold()] > 1 and levels[place] < LONGEST
        ]
        if not clashing:
            break
        for place in clashing:
            levels[place] += 1
    pairs = [Pair(video, rig, folder / name) for (video, rig), name in zip(couples, names, strict=True)]
    notes = [
        f"{pair.video} for {pair.rig} becomes {pair.output.name}: shorter names would clash"
        for pair, level in zip(pairs, levels, strict=True)
        if level
    ]
    return pairs, notes


LONGEST = 3


def _name(video: Path, rig: Path, level: int) -> str:
    if level == 0:
        return f"{video.stem}-{rig.stem}"
    if level == 1:
        return f"{video.name}-{rig.name}"
    longer = f"{video.resolve().parent.name}-{video.name}-{rig.resolve().parent.name}-{rig.name}"
    if level == 2:
        return longer
    return f"{longer}-{hashlib.sha256(f'{video.resolve()}|{rig.resolve()}'.encode()).hexdigest()[:8]}"
