"""Joint names in the styles that real files wear."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mocapcli.types import unique_names


@dataclass(frozen=True)
class Label:
    """What a joint is, before it is called anything."""

    kind: str  # limb, root, end, twist, target
    role: str
    side: int
    row: int
    place: int  # along its limb
    count: int  # joints of that limb


FINGERS = ("Pinky", "Ring", "Middle", "Index", "Thumb")
WORDS = {
    "leg": ("Thigh", "Calf", "HorseLink", "Tarsus"),
    "arm": ("UpperArm", "ForeArm", "LowerArm"),
    "foreleg": ("FrontUpLeg", "FrontLeg", "FrontAnkle", "FrontTarsus"),
    "wing": ("Wing", "WingElbow", "WingHand"),
    "foot": ("Foot", "Toe"),
    "spine": ("Spine",),
    "torso": ("Torso",),
    "neck": ("Neck",),
    "head": ("Head",),
    "jaw": ("Jaw",),
    "tail": ("Tail",),
    "ear": ("Ear",),
    "hand": ("Hand",),
    "clavicle": ("Clavicle",),
    "finger": ("Finger",),
    "feather": ("WingFinger",),
    "fin": ("Fin",),
    "tentacle": ("Tentacle",),
    "feeler": ("Antenna",),
    "shank": ("Leg",),
    "root": ("Root",),
}
JAPANESE = {
    "leg": ("足", "ひざ", "足首", "かかと"),
    "arm": ("腕", "ひじ", "手首"),
    "foreleg": ("前足", "前ひざ", "前足首", "前指"),
    "wing": ("翼", "翼ひじ", "翼先"),
    "foot": ("足首", "つま先"),
    "spine": ("下半身", "上半身"),
    "torso": ("胴",),
    "neck": ("首",),
    "head": ("頭",),
    "jaw": ("あご",),
    "tail": ("しっぽ",),
    "ear": ("耳",),
    "hand": ("手首",),
    "clavicle": ("肩",),
    "finger": ("指",),
    "feather": ("羽",),
    "fin": ("ひれ",),
    "tentacle": ("触手",),
    "feeler": ("触角",),
    "shank": ("足",),
    "root": ("全ての親",),
}
SYLLABLES = ("ka", "zu", "mo", "ri", "tan", "vex", "ol", "qui", "bra", "ne", "shu", "fle", "gor", "im", "pat", "wy")


def joint_names(labels: list[Label], rng: np.random.Generator) -> tuple[str, ...]:
    """Unique names for all joints in one style drawn at random."""
    styles: list[Callable[[Label, str, str], str]] = [
        lambda label, word, number: f"mixamorig:{_long_side(label)}{word}{number}",
        lambda label, word, number: f"{word.lower()}{'.' + number if number else ''}{('', '.L', '.R')[label.side]}",
        lambda label, word, number: f"Bip01 {('', 'L ', 'R ')[label.side]}{word}{number}",
        lambda label, word, number: f"{word.lower()}_{number.zfill(2)}{('', '_l', '_r')[label.side]}",
        lambda label, word, number: f"{('', 'Left', 'Right')[label.side]}_{word}_{number}".strip("_"),
        lambda label, word, number: f"jnt_{('C', 'L', 'R')[label.side]}_{word.lower()}{number}",
    ]
    choice = int(rng.integers(0, 9))
    if choice == 6:
        return unique_names([_japanese(label) for label in labels])
    if choice == 7:
        return tuple("Bone" if n == 0 else f"Bone.{n:03d}" for n in range(len(labels)))
    if choice == 8:
        return unique_names(["".join(rng.choice(SYLLABLES, int(rng.integers(2, 5)))) for _ in labels])
    return unique_names([styles[choice](label, *_word(label)) for label in labels])


def _long_side(label: Label) -> str:
    return ("", "Left", "Right")[label.side]


def _word(label: Label) -> tuple[str, str]:
    """The English word for a joint and the number behind it."""
    if label.role == "spine" and label.place == 0 and label.kind == "limb":
        return "Hips", ""
    if label.role == "finger":
        return FINGERS[label.row % 5], str(label.place + 1)
    word, number = _pick(WORDS, label)
    if label.kind != "limb" and label.kind != "root":
        word += {"end": "End", "twist": "Twist", "target": "IK"}[label.kind]
    return word, number


def _pick(table: dict[str, tuple[str, ...]], label: Label) -> tuple[str, str]:
    words = table[label.role]
    row = str(label.row + 1) if label.row and label.role not in ("leg", "foreleg", "foot") else ""
    if len(words) == 1:
        return words[0] + row, str(label.place or "")
    return words[min(label.place, len(words) - 1)] + row, ""


def _japanese(label: Label) -> str:
    word, number = _pick(JAPANESE, label)
    extra = {"limb": "", "root": "", "end": "先", "twist": "捩", "target": "ＩＫ"}[label.kind]
    return f"{('', '左', '右')[label.side]}{word}{number}{extra}"
