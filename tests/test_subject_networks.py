"""Segmenters that use a network, on a stand-in for it."""

import sys
import types

import numpy as np
import pytest
from PIL import Image

from mocapcli.errors import UnsupportedError
from mocapcli.subject import Options, find_subject
from mocapcli.subject.matting import load_matte
from subject_helpers import overlaps, saved, scene, shaking


def test_rembg_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(UnsupportedError, match=r"rembg is not installed \(pip install 'mocapcli\[rembg\]'\)"):
        find_subject(saved(tmp_path, scene(4)[0]), Options(method="rembg"))


def test_rembg_is_used_as_it_documents(tmp_path, monkeypatch):
    """A stand-in with rembg's interface: sessions by name, `predict` from a picture to masks."""
    asked = []

    class Session:
        def predict(self, image):
            red = np.asarray(image)[..., 0] > 200
            return [Image.fromarray(np.where(red, 255, 0).astype(np.uint8))]

    module = types.ModuleType("rembg")
    module.new_session = lambda name: asked.append(name) or Session()
    monkeypatch.setitem(sys.modules, "rembg", module)
    pixels, masks = shaking(8)
    with find_subject(saved(tmp_path, pixels), Options(method="rembg", model="u2netp")) as subject:
        assert np.mean(overlaps(subject, masks)) > 0.85
    assert asked == ["u2netp"]
    module.new_session = lambda name: 1 / 0
    with pytest.raises(UnsupportedError, match="rembg cannot load the model 'isnet-general-use'"):
        load_matte()


def test_an_onnx_file(tmp_path):
    """A network of one layer that lights up where it is red."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", floats, [1, 3, 1, 1], [1.0, -0.5, -0.5])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "red",
        [helper.make_tensor_value_info("x", floats, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", floats, [1, 1, 64, 64])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path = tmp_path / "red.onnx"
    path.write_bytes(model.SerializeToString())
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:40, 0] = 255
    mask = load_matte(path)(picture)
    assert mask.shape == (40, 60)
    assert mask[20, 30] > 240 and mask[2, 2] < 10
    path.write_bytes(b"no network")
    with pytest.raises(UnsupportedError, match="no network that can be loaded"):
        load_matte(path)
