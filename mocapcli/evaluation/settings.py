"""Settings by name, with the rows that the given models bring."""

from typing import TYPE_CHECKING

from mocapcli.data.appearance import Appearance
from mocapcli.errors import UsageError
from mocapcli.evaluation.positions import PositionsToRotations
from mocapcli.evaluation.run import Setting
from mocapcli.evaluation.sources import model_folder
from mocapcli.network.model import MotionNetwork, load_network

if TYPE_CHECKING:
    from mocapcli.evaluation.predictors import Predictor

OURS, DIRECT = "ours", "direct"


def build_setting(name: str, models: list[str], appearance: Appearance = "own", seed: int = 0) -> Setting:
    if name != "p2r" and not models:
        raise UsageError(f"the setting {name} needs a model", remedy="--model NAME or DIR")
    networks = load_rows(models)
    if name == "p2r":
        return PositionsToRotations({row: network.rotation for row, network in networks.items()}, seed=seed)
    if name == "v2p":
        from mocapcli.evaluation.videos import VideoToPositions

        return VideoToPositions(predictors(networks, rotate=False), appearance, seed)
    if name == "e2e":
        from mocapcli.evaluation.videos import VideoToRotations

        return VideoToRotations(predictors(networks, rotate=True), appearance, seed)
    raise UsageError(f"no setting {name!r}")


def predictors(networks: dict[str, MotionNetwork], rotate: bool) -> "dict[str, Predictor]":
    from mocapcli.evaluation.predictors import NetworkPredictor

    return {row: NetworkPredictor(network, rotate) for row, network in networks.items()}


def load_rows(models: list[str]) -> dict[str, MotionNetwork]:
    """Models by row: `ours`, or `direct` where that is their rotation head; further ones by their folder's name."""
    rows: dict[str, MotionNetwork] = {}
    for model in models:
        folder = model_folder(model)
        network = load_network(folder)
        row = DIRECT if network.config.rotation.rotation_head == "direct" else OURS
        row = row if row not in rows else folder.resolve().name
        if row in rows:
            raise UsageError(f"two models are called {row!r}")
        rows[row] = network
    return rows
