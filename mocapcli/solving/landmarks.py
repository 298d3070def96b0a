"""What pose estimators and riggers call the landmarks of a body: `RElbow`, `right_elbow`, `mixamorig:RightForeArm`.

A rig names a bone, an estimator the point where it begins: the elbow is where the forearm begins.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from mocapcli.retarget_names import NAMESPACE, Match

SIDES = {"left": "l", "l": "l", "right": "r", "r": "r"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
NODE_NUMBER = re.compile(r"_0\d+$")  # as exporters append: DEF-thigh.R_015
NOISE = ("joint", "jnt", "bone", "def", "bip", "j", "c", "b", "center", "centre", "01", "1")
# The landmark, what estimators call it, and what rigs call the joint that sits there, the likeliest first.
LANDMARKS = (
    ("pelvis", "pelvis|hips|midhip|hip|root", "hips|pelvis|hip|root"),
    ("neck", "neck|midshoulder|shoulder|thorax", "neck|neck1"),
    ("head", "head", "head"),
    ("spine", "spine|torso|chest|upperspine", "spine2|spine3|chest|upperchest|spine1|spine"),
    ("shoulder", "shoulder|upperarm|acromion|shoulderjoint", "arm|upperarm|uparm|shoulderjoint|shoulder"),
    ("elbow", "elbow|forearm|lowerarm", "forearm|lowerarm|loarm|elbow"),
    ("wrist", "wrist|hand", "hand|wrist"),
    ("hip", "hip|hipjoint|hjc|thigh|upleg|upperleg", "upleg|upperleg|thigh|hipjoint|hip"),
    ("knee", "knee|shin|calf|kneejoint|lowerleg", "leg|lowerleg|loleg|shin|calf|knee"),
    ("ankle", "ankle|anklejoint|foot", "foot|ankle"),
    ("toe", "bigtoe|toe|toes|footindex|toebase", "toebase|toe|toes|ball"),
)


POINTS = ("elbow", "wrist", "knee", "ankle")  # words of people who name points, not bones


def speaks_of_points(tracks: Sequence[str], joints: Sequence[str]) -> bool:
    """Whether these tracks are landmarks and not joints of such a rig: then a shoulder is where the arm begins."""
    words = {_simplify(name)[1] for name in tracks}
    same = len(set(tracks) & set(joints))
    return not words.isdisjoint(POINTS) and same < len(tracks) / 2


def match_landmarks(tracks: Sequence[str], joints: Sequence[str]) -> Match:
    """Pair joints with tracks through landmarks; only what is nobody else's."""
    of_tracks, of_joints = _find(tracks, 1), _find(joints, 2)
    sources = np.full(len(joints), -1)
    for landmark in of_tracks.keys() & of_joints.keys():
        sources[of_joints[landmark]] = of_tracks[landmark]
    return Match(sources, 0)


def _find(names: Sequence[str], column: int) -> dict[tuple[str, str], int]:
    """Names by side and landmark, the likeliest word of each."""
    simple = [_simplify(name) for name in names]
    found: dict[tuple[str, str], int] = {}
    for row in LANDMARKS:
        for word in reversed(row[column].split("|")):
            for side in _sides(row[0]):
                places = [place for place, key in enumerate(simple) if key == (side, word)]
                if len(places) == 1:
                    found[side, row[0]] = places[0]
    return found


def _sides(landmark: str) -> Iterable[str]:
    return ("",) if landmark in ("pelvis", "neck", "head", "spine") else ("l", "r")


def _simplify(name: str) -> tuple[str, str]:
    """Side and the word that is left: `RElbow`, `elbow_r` and `right elbow` are all ("r", "elbow")."""
    name = NODE_NUMBER.sub("", NAMESPACE.sub("", name))
    words = [word.lower() for word in WORD.findall(name)]
    if words and words[0] not in SIDES and len(words[0]) > 1 and name[:1] in "LR" and name[1:2].isupper():
        words = [words[0][0], words[0][1:], *words[1:]]  # RELBOW
    side = next((SIDES[word] for word in words if word in SIDES), "")
    return side, "".join(word for word in words if word not in SIDES and word not in NOISE)
