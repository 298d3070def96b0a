"""What lays one creature on films; shared by the modules that ask for these fixtures."""

import pytest

from mocapcli.capturing.matching import STEPS, Matcher
from mocapcli.capturing.models import load_model
from mocapcli.network.model import MotionNetwork
from mocapcli.network.reference import RigReference, reference_of_asset
from mocapcli.render.scene import Model, prepare
from mocapcli.types import Asset
from mocapcli.zoo import make_creature


@pytest.fixture(scope="module")
def network() -> MotionNetwork:
    """The one that ships: what matching needs of it was taught by photographs."""
    return load_model("small").network.eval()


@pytest.fixture(scope="module")
def asset() -> Asset:
    return make_creature(3, "quadruped")


@pytest.fixture(scope="module")
def model(asset: Asset) -> Model:
    return prepare(asset.rig)


@pytest.fixture(scope="module")
def reference(asset: Asset) -> RigReference:
    return reference_of_asset(asset)


@pytest.fixture(scope="module")
def matcher(network: MotionNetwork, model: Model, reference: RigReference) -> Matcher:
    found = Matcher.of(network, model, reference)
    assert found is not None and found.steps == STEPS
    return found
