"""Clips in the air."""

import numpy as np

from mocapcli.zoo.gait import Path
from mocapcli.zoo.layers import bend, flap, open_jaw, secondary, wave
from mocapcli.zoo.legs import Leg
from mocapcli.zoo.puppet import Puppet, X, Z

Generator = np.random.Generator


def fly(puppet: Puppet, rng: Generator, cycles: int, glide: bool = False, hover: bool = False) -> None:
    """Beat or hold the wings, legs drawn up, the body riding on the strokes."""
    plan = puppet.body.plan
    beats = cycles * (4 if plan.kind == "insect" else 1)
    amplitude = 0.1 if glide else rng.uniform(0.45, 0.8)
    speed = rng.uniform(1.0, 3.0) * (0.0 if hover else 1.0)
    puppet.position = Path(speed).position(puppet.time)
    puppet.offset[:, 1] = rng.uniform(0.4, 1.2) - 0.12 * amplitude * puppet.swing(beats, 0.22)
    bank = rng.uniform(-0.5, 0.5) if glide else rng.uniform(-0.15, 0.15)
    puppet.turn(
        puppet.body.trunk, X, 0.05 * amplitude * puppet.swing(beats, 0.4) + (0.35 if plan.kind == "wyvern" else 0.1)
    )
    puppet.turn(puppet.body.trunk, Z, bank * puppet.swing(1))
    flap(puppet, beats, amplitude, 0.1 if not glide else 0.2)
    for number in plan.with_role("neck"):
        bend(puppet, number, X, 0.25 if plan.kind not in ("insect",) else 0.0)
        wave(puppet, number, X, 0.12 * amplitude, beats, 0.2, 0.5)
        bend(puppet, number, Z, -0.5 * bank * puppet.swing(1))
    for number in plan.with_role("head"):
        bend(puppet, number, X, -0.25 if plan.kind not in ("insect", "bat") else 0.0)
    tuck(puppet)
    secondary(puppet, rng, cycles, 0.35)


def veer(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Fly a bend, leaning into it."""
    fly(puppet, rng, cycles)
    way = float(rng.choice([-1, 1]))
    path = Path(float(puppet.position[-1, 2] / puppet.time[-1]), way * rng.uniform(0.8, 1.6) / float(puppet.time[-1]))
    puppet.position, puppet.yaw = path.position(puppet.time), path.yaw(puppet.time)
    puppet.turn(puppet.body.trunk, Z, -0.6 * way * np.sin(np.pi * puppet.part))


def swoop(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """A dive and back up, mouth open at the bottom."""
    fly(puppet, rng, cycles)
    dive = puppet.keyed((0, 0), (0.25, -0.15), (0.5, 1), (0.6, 0.9), (1, 0))
    puppet.offset[:, 1] -= 0.3 * dive
    slope = puppet.keyed((0, 0), (0.35, 0.5), (0.5, 0.1), (0.7, -0.4), (1, 0))
    puppet.turn(puppet.body.trunk, X, slope)
    open_jaw(puppet, 0.4 * np.clip(dive, 0, 1))


def tuck(puppet: Puppet) -> None:
    """Legs folded under or trailing behind."""
    plan = puppet.body.plan
    for number in plan.with_role("leg"):
        limb, joints = plan.limbs[number], puppet.body.chains[number]
        axes = Leg(puppet.body, number).axes
        back = 0.9 if limb.row or plan.kind in ("bird", "wyvern") else 0.5
        puppet.turn(joints[0], X, (0.3 if plan.kind == "insect" else back) + 0.06 * puppet.swing(2, 0.3))
        for axis, joint in zip(axes, joints[1:], strict=True):
            puppet.turn(joint, axis * np.array([1.0, limb.side, limb.side]), 0.35 + 0.05 * puppet.swing(2, 0.5))
    for number in plan.with_role("foot"):
        bend(puppet, number, X, 0.7)
