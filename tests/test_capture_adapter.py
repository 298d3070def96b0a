"""`mocap capture --adapter`: what `mocap adapt RIG -o FILE` learnt is used as it is, for that rig alone."""

from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from capture_helpers import film_mp4, save_tiny  # noqa: E402
from mocapcli.adapting.adapter import Adapter, Origin, rig_digest  # noqa: E402
from mocapcli.data.windows import cut_motion  # noqa: E402
from mocapcli.formats import read_asset, write_asset  # noqa: E402
from mocapcli.network.model import digest_of, load_network  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402


def test_an_adapter_file_is_used_instead_of_learning(capsys, tmp_path: Path) -> None:
    asset, rig = make_creature(3), tmp_path / "rig.glb"
    write_asset(rig, asset)
    video = film_mp4(tmp_path / "seen.mp4", asset, cut_motion(asset.motions[0], 0, 6))
    network = load_network(save_tiny(tmp_path / "tiny"))
    learnt = load_network(save_tiny(tmp_path / "other", seed=1))
    own = rig_digest(read_asset(rig), True)
    origin = Origin(own, digest_of(network), "rig", 60.0, 10, {"mpjpe_percent": 1.0})
    Adapter.between(network, learnt, origin).save(tmp_path / "rig.mocap")
    arguments = ["capture", video, "--rig", rig, "--model", tmp_path / "tiny"]
    poses = {}
    for name, options in (("shared", ["--adapt", "off"]), ("learnt", ["--adapter", tmp_path / "rig.mocap"])):
        code, _, err = run(capsys, *arguments, *options, "-o", tmp_path / f"{name}.glb")
        assert code == 0, err
        poses[name] = read_asset(tmp_path / f"{name}.glb").motions[0].rotations
    assert not np.allclose(poses["shared"], poses["learnt"], atol=1e-3)
    write_asset(tmp_path / "another.glb", make_creature(11))
    arguments[3] = tmp_path / "another.glb"
    code, _, err = run(capsys, *arguments, "--adapter", tmp_path / "rig.mocap", "-o", tmp_path / "no.glb")
    assert code == 1 and "another rig" in err and not (tmp_path / "no.glb").exists()
