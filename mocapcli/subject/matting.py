"""A matting network: through the package rembg, which downloads its weights, or an ONNX file the user has."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.errors import UnsupportedError
from mocapcli.subject.survey import Masker, Survey, Verdict, Wishes

MODEL = "isnet-general-use"
MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SIDE = 320  # of the input, where the file leaves it open
Matte = Callable[[UInt8[np.ndarray, "height width 3"]], UInt8[np.ndarray, "height width"]]


def judge(survey: Survey) -> Verdict:
    if find_spec("rembg") is None:
        return Verdict(False, "rembg: not installed")
    return Verdict(True, "nothing simpler fits, and the package rembg is installed")


def open_masker(survey: Survey, wishes: Wishes) -> Masker:
    matte = load_matte(wishes.model)
    return lambda frames: np.stack([matte(frame) for frame in frames.pixels])


def load_matte(model: str | Path | None = None) -> Matte:
    """A function from picture to mask; `model` is a name rembg knows or the path of an .onnx file."""
    if model is not None and str(model).endswith(".onnx"):
        return _onnx_matte(Path(model))
    try:
        from rembg import new_session
    except ImportError:
        raise UnsupportedError("rembg is not installed", remedy="pip install 'mocapcli[rembg]'") from None
    name = str(model or MODEL)
    try:
        session = new_session(name)
    except Exception as error:  # whatever a download or a runtime may raise
        raise UnsupportedError(f"rembg cannot load the model {name!r}: {error}", remedy="see --segment box") from error
    return lambda frame: _predicted(session, frame)


def _predicted(session: Any, frame: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    from PIL import Image

    image = Image.fromarray(frame)
    masks = [np.asarray(mask.convert("L").resize(image.size)) for mask in session.predict(image)]
    if not masks:
        return np.zeros(frame.shape[:2], np.uint8)
    return np.asarray(np.maximum.reduce(masks))


def _onnx_matte(path: Path) -> Matte:
    try:
        import onnxruntime
    except ImportError:
        raise UnsupportedError("onnxruntime is not installed", remedy="pip install 'mocapcli[rembg]'") from None
    if not path.is_file():
        raise UnsupportedError("no such model", path=path)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime has no public base of its errors
        raise UnsupportedError(f"this is no network that can be loaded: {error}", path=path) from error
    inputs = session.get_inputs()
    sides = [each if isinstance(each, int) and each > 0 else SIDE for each in inputs[0].shape[-2:]]
    return lambda frame: _run(session, inputs[0].name, (sides[0], sides[1]), frame)


def _run(
    session: Any, name: str, sides: tuple[int, int], frame: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width"]:
    """Salient object networks of the U²-Net family: ImageNet colours in, one map out, stretched to 0 … 1."""
    from PIL import Image

    image = Image.fromarray(frame).resize((sides[1], sides[0]), Image.Resampling.LANCZOS)
    pixels = (np.asarray(image, np.float32) / 255 - MEAN) / SPREAD
    result = np.asarray(session.run(None, {name: pixels.transpose(2, 0, 1)[None].astype(np.float32)})[0])
    found = _stretched(result.reshape(-1, *result.shape[-2:])[0].astype(np.float64))
    matte = Image.fromarray(np.rint(found * 255).astype(np.uint8))
    return np.asarray(matte.resize((frame.shape[1], frame.shape[0]), Image.Resampling.BILINEAR))


def _stretched(values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """To 0 … 1; a map that is the same everywhere shows nothing."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-6:
        return np.zeros_like(values)
    return (values - low) / (high - low)
