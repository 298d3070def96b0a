"""Our filters as plugins register them; each loads its code on first use."""

from typing import TYPE_CHECKING, Any

from mocapcli.extensions import Filter, Option

if TYPE_CHECKING:
    from mocapcli.types import Motion, Rig


def _smooth(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.smooth import smooth

    return smooth(motion, **options)


def _contact(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.contact import lock_contacts

    return lock_contacts(motion, rig, **options)


def _loop(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.loop import make_loop

    return make_loop(motion, rig, **options)


def _decimate(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.decimate import decimate

    return decimate(motion, rig, **options)


def _in_place(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.travel import in_place

    return in_place(motion, rig, **options)


def _ground(motion: "Motion", rig: "Rig", **options: Any) -> "Motion":
    from mocapcli.filters.ground import ground

    return ground(motion, rig, **options)


FILTERS = (
    Filter(
        "smooth",
        "take noise out of rotations and translations, without lag",
        _smooth,
        (
            Option("strength", 0.5, "0: nothing, 1: a lot", 0.0, 1.0),
            Option("method", "butterworth", "which filter", choices=("butterworth", "one-euro")),
            Option("cutoff", 0.0, "Hz, instead of a strength; 0: by strength", 0.0, 1000.0),
        ),
    ),
    Filter(
        "contact",
        "hold feet that stand in place",
        _contact,
        (
            Option("height", 0.06, "above the ground, of the rig's height, that counts as standing", 0.0, 1.0),
            Option("speed", 0.25, "part of the foot's own highest speed that counts as standing", 0.0, 1.0),
            Option("blend", 0.12, "seconds of easing in and out", 0.0, 10.0),
        ),
    ),
    Filter(
        "loop",
        "make a clip repeat without a seam",
        _loop,
        (
            Option("root", "drift", "whether it travels on or stays", choices=("drift", "in-place")),
            Option("shortest", 0.5, "least part of the clip to keep", 0.0, 1.0),
            Option("blend", 0.4, "seconds over which the seam is closed, at either end", 0.0, 60.0),
            Option("search", True, "look for the best place to cut; no: close the whole clip"),
        ),
    ),
    Filter(
        "decimate",
        "lower the frame rate as far as a tolerance allows",
        _decimate,
        (Option("tolerance", 0.005, "how far a joint may stray, of the rig's size", 0.0, 1.0),),
    ),
    Filter(
        "in-place",
        "take the horizontal way of the root out",
        _in_place,
        (Option("sway", False, "keep what is no steady drift"),),
    ),
    Filter(
        "ground",
        "put the lowest point of a clip at height 0",
        _ground,
        (Option("by", "mesh", "what must not sink in", choices=("mesh", "joints")),),
    ),
)
