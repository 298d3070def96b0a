"""The small frozen records that plugins register."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mocapcli.metrics import Comparison
    from mocapcli.subject.survey import Masker, Survey, Verdict, Wishes
    from mocapcli.types import Asset, Motion
    from mocapcli.video.frames import Footage

Feature = Literal["mesh", "materials", "textures", "motions", "scales", "translations", "rest_rotations"]
Evidence = Literal["rotations", "places", "path", "stand"]


@dataclass(frozen=True)
class Format:
    """One file format: how to read it, how to write it, and what survives.

    `extensions` are claimed by default; `also` are ones the plugin can handle when asked for by name
    (`--plugin assimp` for FBX). `keeps` names what writing preserves: it drives the warnings about what is
    dropped, and what the round-trip tests compare. "motions" means more than one clip; "translations" means
    animated translations on inner joints. `magic` are first bytes that give the format away when a file wears
    the wrong extension.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    read: "Callable[[Path], Asset] | None" = None
    write: "Callable[[Path, Asset], None] | None" = None
    keeps: frozenset[Feature] = frozenset()
    also: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Option:
    """A setting of a plugin, told as `name=value`: its type is that of `default`."""

    name: str
    default: float | int | bool | str
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filter:
    """A change to a clip that keeps its rig: `mocap convert walk.glb out.glb --filter smooth:strength=0.7`.

    `apply(motion, rig, **options)` gets every option by name, told or default, and returns a new Motion of as many
    joints. It must leave one-frame clips, meshless rigs and several roots in peace.
    """

    name: str
    description: str
    apply: "Callable[..., Motion]"
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Metric:
    """One figure of `mocap eval`: two clips on one rig, predicted and true, to a number.

    NaN means undefined there (a velocity of one frame) and is left out of means. `ideal` is what truth against
    itself gives. `needs` is what both clips must hold: the figure is left out where they do not. The row "copy"
    repeats the reference pose, turned to the true facing unless `given_facing` is false.
    """

    name: str
    description: str
    measure: "Callable[[Comparison], float]"
    ideal: float = 0.0
    needs: frozenset[Evidence] = frozenset()
    given_facing: bool = True


@dataclass(frozen=True)
class Checkpoint:
    """A trained model by name: `mocap eval --model NAME`, `mocap capture --model NAME`.

    `folder()` tells where its `config.json` and `model.safetensors` lie, and may fetch them first; it is called only
    where somebody asks for the model.
    """

    name: str
    description: str
    folder: "Callable[[], Path]"


@dataclass(frozen=True)
class Source:
    """Where pictures come from: `open(path)` tells the facts and gives a way to run through the pictures.

    `extensions` are the files it claims; `folders` says that it opens folders too.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    open: "Callable[[Path], Footage]"
    folders: bool = False


@dataclass(frozen=True)
class Segmenter:
    """A way to tell the subject from the rest of the picture.

    `open(survey, wishes)` gives a function that is called with all frames in order, chunk by chunk, and returns their
    masks. `judge(survey)` says whether it fits a video and why; without it, it is used only when asked for by name.
    Where nobody asks, the first that fits is taken, low `order` first. `uses` names the wishes it listens to (box,
    mask, model), so that others are refused; None: nobody knows.
    """

    name: str
    description: str
    open: "Callable[[Survey, Wishes], Masker]"
    judge: "Callable[[Survey], Verdict] | None" = None
    order: int = 100
    uses: tuple[str, ...] | None = None
