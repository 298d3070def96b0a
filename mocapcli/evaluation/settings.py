"""Settings by name, with the rows that the given models bring and those that nobody brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mocapcli.checkpoints import model_folder
from mocapcli.data.appearance import Appearance
from mocapcli.errors import UsageError
from mocapcli.evaluation.positions import PositionsToRotations
from mocapcli.evaluation.run import Setting
from mocapcli.network.model import MotionNetwork, Stage, load_network

if TYPE_CHECKING:
    from mocapcli.evaluation.predictors import Predictor

OURS, DIRECT = "ours", "direct"
NOBODY = "none"  # a name for no model
NEEDED: dict[str, Stage] = {"p2r": "rotation", "v2p": "pose", "e2e": "pose"}  # the stage nothing goes without


@dataclass(frozen=True)
class Models:
    """What the user named: models to judge, and one whose rotation head is the plain one."""

    names: tuple[str, ...] = ()
    direct: str | None = None

    @classmethod
    def of(cls, names: Sequence[str] | None, direct: str | None) -> "Models":
        """Those named, the one that comes with mocap where none is, or none at all."""
        if not names:
            from mocapcli.capturing.models import shipped_model

            return cls((shipped_model().name,), direct)
        if NOBODY in names and len(names) > 1:
            raise UsageError(f"--model {NOBODY} goes with no other model")
        return cls(() if NOBODY in names else tuple(names), direct)

    @property
    def all(self) -> tuple[str, ...]:
        return self.names if self.direct is None else (*self.names, self.direct)

    @property
    def label(self) -> str | None:
        return "+".join(self.all) or None


@dataclass(frozen=True)
class Scene:
    """What else decides about the videos and the noise."""

    appearance: Appearance = "own"
    seed: int = 0
    adapt_seconds: float | None = None  # for which each rig is learnt first; none of its clips is
    refine_iterations: int | None = None  # rounds of stage 3; None: as capture does
    match: int | None = None  # steps; None: as capture does
    adapt_threads: int = 0  # all cores, unless several workers share them


def build_setting(name: str, models: Models, scene: Scene = Scene()) -> Setting:
    if name not in NEEDED:
        raise UsageError(f"no setting {name!r}")
    if name != "p2r" and not models.names:
        raise UsageError(f"the setting {name} needs a model", remedy="--model NAME or DIR")
    networks = load_rows(name, models)
    absent = absent_rows(name, networks)
    if name == "p2r":
        heads = {row: network.rotation for row, network in networks.items()}
        return PositionsToRotations(heads, seed=scene.seed, absent=absent)
    from mocapcli.evaluation.videos import VideoToPositions, VideoToRotations

    kind = VideoToPositions if name == "v2p" else VideoToRotations
    return kind(predictors(networks, name == "e2e", scene), scene.appearance, scene.seed, absent)


def predictors(networks: dict[str, MotionNetwork], rotate: bool, scene: Scene) -> "dict[str, Predictor]":
    """Stage 3 is run of models that hold it; one of them must, where it is asked for. Matched is what is ours."""
    from mocapcli.capturing.matching import steps_of
    from mocapcli.capturing.refine import iterations_of
    from mocapcli.evaluation.predictors import NetworkPredictor

    if scene.refine_iterations and all(network.refiner is None for network in networks.values()):
        raise UsageError("the model holds no refiner (stage 3)", remedy="leave --refine-iterations out")
    found: dict[str, Predictor] = {}
    for row, network in networks.items():
        turns = rotate and "rotation" in network.config.stages
        rounds = iterations_of(network, scene.refine_iterations) if turns and network.refiner is not None else 0
        steps = steps_of(network, scene.match) if turns and row != DIRECT else 0
        found[row] = NetworkPredictor(
            network, turns, scene.adapt_seconds, rounds, scene.adapt_threads, match_steps=steps
        )
    return found


def absent_rows(name: str, networks: dict[str, MotionNetwork]) -> dict[str, str]:
    """Rows that the table is to have and has not, each with why."""
    absent: dict[str, str] = {}
    if name == "v2p":
        return absent
    if DIRECT not in networks:
        absent[DIRECT] = "none given: --direct-model DIR, trained with network.rotation.rotation_head=direct"
    if OURS not in networks:
        absent[OURS] = f"no model: --model {NOBODY}"
    for row, network in networks.items():
        if "rotation" not in network.config.stages:
            absent[row] = "not trained: the model holds no stage 2"
    return absent


def load_rows(setting: str, models: Models) -> dict[str, MotionNetwork]:
    """Models by row: `direct` where that is their rotation head, `ours`, further ones by their folder's name."""
    rows: dict[str, MotionNetwork] = {}
    for name in models.names:
        network = load_network(model_folder(name), NEEDED[setting])
        row = DIRECT if is_direct(network) else OURS
        row = row if row not in rows else model_folder(name).resolve().name
        if row in rows:
            raise UsageError(f"two models are called {row!r}")
        rows[row] = network
    if models.direct is not None and setting != "v2p":  # its positions are another's: only rotations set it apart
        if DIRECT in rows:
            raise UsageError("two models are called 'direct'", remedy="name the direct one once")
        rows[DIRECT] = load_direct(setting, models.direct, rows.get(OURS))
    return {row: rows[row] for row in sorted(rows, key=lambda row: row != DIRECT)}


def load_direct(setting: str, name: str, ours: MotionNetwork | None) -> MotionNetwork:
    """A direct rotation head; on our stage 1 where it was trained alone."""
    folder = model_folder(name)
    network = load_network(folder, "rotation")
    if not is_direct(network):
        raise UsageError(f"the rotation head of {name} is not direct", remedy="name it with --model")
    if setting == "p2r" or "pose" in network.config.stages:
        return network
    if ours is None:
        raise UsageError(f"{name} holds no stage 1", remedy="name a model that does with --model too")
    joined = replace(ours.config, rotation=network.config.rotation, stages=("pose", "rotation"))
    both = MotionNetwork(joined)
    both.video_to_pose, both.rotation = ours.video_to_pose, network.rotation
    return both.eval()


def is_direct(network: MotionNetwork) -> bool:
    return network.config.rotation.rotation_head == "direct"
