"""What joint names say: a side, and what part of a body it is."""

import re
from collections.abc import Sequence

from mocapcli.retarget_names import NAMESPACE

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
SIDES = {"left": 1, "l": 1, "lft": 1, "right": -1, "r": -1, "rgt": -1}
SIDE_SIGNS = {"左": 1, "右": -1}
# The first that fits; a name tells nothing else of its limb.
PARTS = (
    ("finger", "finger thumb index middle ring pinky pinkie"),
    ("wing", "wing feather wings"),
    ("tail", "tail"),
    ("ear", "ear ears"),
    ("horn", "horn horns antler"),
    ("jaw", "jaw mouth chin mandible"),
    (
        "leg",
        "leg legs thigh calf shin knee foot toe toes hoof paw ankle upleg upperleg lowerleg femur tibia tarsus buttock",
    ),
    ("arm", "arm arms forearm hand upperarm lowerarm shoulder shldr collar clavicle humerus radius elbow wrist"),
    ("trunk", "spine chest neck head torso thorax abdomen back lowerback upperback belly"),
)
PART_OF = {word: part for part, words in PARTS for word in words.split()}
BONES = {
    "clavicle": "clavicle collar scapula",
    "upperarm": "upperarm uparm humerus shldr",
    "forearm": "forearm lowerarm loarm radius elbow",
    "hand": "hand wrist",
    "thigh": "thigh upleg upperleg femur",
    "shin": "shin calf knee lowerleg loleg lowleg tibia",
    "foot": "foot ankle",
    "toe": "toe toes ball toebase",
    "neck": "neck",
    "head": "head",
}
BONE_OF = {word: bone for bone, words in BONES.items() for word in words.split()}
GENERIC = re.compile(r"^(bone|joint|node|jnt|object|armature|root)?[\W_\d]*(end)?$", re.IGNORECASE)


def with_sides_apart(names: Sequence[str]) -> tuple[str, ...]:
    """`lfemur` as `l_femur`, where there is an `rfemur` as well."""
    known = {name.casefold() for name in names}
    return tuple(_side_apart(name, known) for name in names)


def _side_apart(name: str, known: set[str]) -> str:
    folded = name.casefold()
    twin = {"l": "r", "r": "l"}.get(folded[:1], "") + folded[1:]
    return f"{name[0]}_{name[1:]}" if len(name) > 3 and twin != folded[1:] and twin in known else name


def words_of(name: str) -> list[str]:
    """`mixamorig:LeftUpLeg` as left, up, leg."""
    bare = NAMESPACE.sub("", name)
    if bare[:1] in "LR" and bare[1:2].isupper():
        bare = f"{bare[0]}_{bare[1:]}"
    return [word.lower() for word in WORD.findall(bare)]


def side_of(name: str) -> int:
    """1 for left, -1 for right, 0 where the name does not say."""
    for sign, side in SIDE_SIGNS.items():
        if sign in name:
            return side
    return next((SIDES[word] for word in words_of(name) if word in SIDES), 0)


def part_of(name: str) -> str:
    """Part of a body, or nothing."""
    return next((PART_OF[word] for word in words_of(name) if word in PART_OF), "")


def bones_of(name: str) -> set[str]:
    """Bones a name may mean: `LeftUpLeg`, `Leg_Upper_L` and `thigh.l` are all thighs."""
    words = words_of(name)
    pairs = [one + other for one in words for other in words if one != other]
    told = {BONE_OF[word] for word in pairs if word in BONE_OF}
    return told or {BONE_OF[word] for word in words if word in BONE_OF}


def is_generic(name: str) -> bool:
    """`Bone.003`, `joint7`: numbers that mean nothing on another rig."""
    return GENERIC.match(NAMESPACE.sub("", name)) is not None
