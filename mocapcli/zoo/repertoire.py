"""Which clip function plays an ability, how long, and in how many cycles."""

from collections.abc import Callable
from functools import partial

import numpy as np

from mocapcli.zoo import air, clips, gestures, swimmers
from mocapcli.zoo.body import Body
from mocapcli.zoo.plan import Plan
from mocapcli.zoo.puppet import Puppet

Clip = Callable[[Puppet, np.random.Generator, int], None]
FPS = 30.0

# what each kind can do; the first is its own way of getting about
ABILITIES: dict[str, tuple[str, ...]] = {
    "bat": ("fly", "glide", "idle", "attack", "turn"),
    "biped": ("walk", "run", "idle", "wave", "attack", "turn", "dance", "jump", "hit", "fall"),
    "bird": ("fly", "glide", "hop", "walk", "idle", "attack", "turn", "eat", "jump", "hit", "fall"),
    "centaur": ("walk", "run", "idle", "wave", "attack", "rear", "turn", "jump", "hit", "fall"),
    "dragon": ("walk", "fly", "glide", "idle", "attack", "rear", "turn", "shake", "eat", "jump", "hit", "fall"),
    "fish": ("swim", "dart", "idle", "turn", "attack"),
    "hydra": ("walk", "idle", "attack", "turn", "shake", "eat", "hit", "fall"),
    "insect": ("walk", "fly", "run", "idle", "attack", "turn", "hit", "fall"),
    "kitsune": ("walk", "run", "idle", "rear", "attack", "turn", "shake", "eat", "jump", "hit", "fall"),
    "longneck": ("walk", "idle", "rear", "attack", "turn", "shake", "eat", "hit", "fall"),
    "naga": ("slide", "idle", "wave", "attack", "turn", "dance", "hit"),
    "octopus": ("pulse", "crawl", "idle", "reach", "turn"),
    "quadruped": ("walk", "run", "idle", "rear", "attack", "turn", "shake", "eat", "jump", "hit", "fall"),
    "scorpion": ("walk", "run", "idle", "attack", "turn", "hit", "fall"),
    "snake": ("slither", "idle", "strike", "coil", "turn"),
    "spider": ("walk", "run", "idle", "attack", "turn", "rear", "jump", "hit", "fall"),
    "theropod": ("walk", "run", "idle", "attack", "turn", "shake", "hop", "eat", "jump", "hit", "fall"),
    "wyvern": ("walk", "fly", "glide", "idle", "attack", "rear", "turn", "shake", "eat", "jump", "hit", "fall"),
}

# ability: (clip, shortest and longest cycle in seconds; 0 = one cycle fills the clip)
CLIPS: dict[str, tuple[Clip, float, float]] = {
    "walk": (clips.walk, 0.8, 1.4),
    "run": (partial(clips.walk, fast=True), 0.45, 0.75),
    "turn": (clips.turn, 0.8, 1.3),
    "idle": (clips.idle, 0.0, 0.0),
    "attack": (gestures.attack, 0.0, 0.0),
    "rear": (gestures.rear, 0.0, 0.0),
    "shake": (gestures.shake, 0.0, 0.0),
    "eat": (gestures.eat, 0.0, 0.0),
    "hit": (gestures.flinch, 0.0, 0.0),
    "fall": (gestures.fall, 0.0, 0.0),
    "jump": (gestures.jump, 0.0, 0.0),
    "hop": (clips.hop, 0.5, 0.8),
    "fly": (air.fly, 0.4, 1.0),
    "glide": (partial(air.fly, glide=True), 1.0, 2.0),
    "wave": (gestures.wave_arm, 1.0, 1.5),
    "dance": (gestures.dance, 0.8, 1.2),
    "slither": (swimmers.slither, 0.9, 1.5),
    "strike": (swimmers.strike, 0.0, 0.0),
    "coil": (swimmers.coil, 0.0, 0.0),
    "swim": (swimmers.swim, 0.6, 1.3),
    "dart": (partial(swimmers.swim, vigour=1.5), 0.4, 0.7),
    "pulse": (swimmers.pulse, 0.9, 1.6),
    "crawl": (swimmers.crawl, 1.0, 2.0),
    "reach": (swimmers.reach, 0.0, 0.0),
    "slide": (swimmers.slide, 1.0, 1.6),
}

# what another kind does under the same word
OWN: dict[tuple[str, str], tuple[Clip, float, float]] = {
    ("snake", "idle"): (swimmers.rest_snake, 0.0, 0.0),
    ("snake", "turn"): (partial(swimmers.slither, turning=True), 0.9, 1.5),
    ("fish", "idle"): (swimmers.hover_fish, 0.0, 0.0),
    ("fish", "turn"): (partial(swimmers.swim, turning=True), 0.6, 1.2),
    ("fish", "attack"): (swimmers.bite, 0.5, 1.0),
    ("octopus", "idle"): (partial(swimmers.crawl, moving=False), 1.5, 2.5),
    ("octopus", "turn"): (partial(swimmers.pulse, turning=True), 0.9, 1.6),
    ("naga", "turn"): (partial(swimmers.slide, turning=True), 1.0, 1.6),
    ("bat", "idle"): (partial(air.fly, hover=True), 0.4, 0.7),
    ("bat", "turn"): (air.veer, 1.0, 1.5),
    ("bat", "attack"): (air.swoop, 0.4, 0.7),
    ("insect", "walk"): (clips.walk, 0.5, 0.9),
    ("spider", "walk"): (clips.walk, 0.5, 0.9),
    ("scorpion", "walk"): (clips.walk, 0.5, 0.9),
}


def abilities(plan: Plan) -> tuple[str, ...]:
    """What this very creature can do."""
    flies = bool(plan.with_role("wing"))
    return tuple(word for word in ABILITIES[plan.kind] if flies or word not in ("fly", "glide"))


def perform(body: Body, ability: str, rng: np.random.Generator) -> Puppet:
    """A puppet that has played one clip of two to four seconds."""
    clip, shortest, longest = OWN.get((body.plan.kind, ability)) or CLIPS[ability]
    seconds, cycles = rng.uniform(2.0, 4.0), 1
    if longest:
        period = rng.uniform(shortest, longest)
        cycles = max(round(seconds / period), 2)
        seconds = cycles * period
    puppet = Puppet(body, round(seconds * FPS) + 1, FPS)
    clip(puppet, rng, cycles)
    return puppet
