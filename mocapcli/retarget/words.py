"""What joint names say: a side, and what part of a body it is."""

import re

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
    ("leg", "leg legs thigh calf shin knee foot toe toes hoof paw ankle upleg upperleg lowerleg femur tibia tarsus"),
    ("arm", "arm arms forearm hand upperarm lowerarm shoulder clavicle elbow wrist"),
    ("trunk", "spine chest neck head torso abdomen back belly"),
)
PART_OF = {word: part for part, words in PARTS for word in words.split()}
GENERIC = re.compile(r"^(bone|joint|node|jnt|object|armature|root)?[\W_\d]*(end)?$", re.IGNORECASE)


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


def is_generic(name: str) -> bool:
    """`Bone.003`, `joint7`: numbers that mean nothing on another rig."""
    return GENERIC.match(NAMESPACE.sub("", name)) is not None
