"""Caches, their rigs and manifests as accidents leave them."""

from pathlib import Path

import numpy as np
import pytest

from factories import make_asset
from mocapcli.data import compact
from mocapcli.data.cache import open_cache
from mocapcli.data.simplify import simplify_asset
from mocapcli.data.splits import read_manifest
from mocapcli.errors import ReadError


def test_a_manifest_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,split,family\na.glb,train,fox\n", encoding="utf-8-sig")
    assert read_manifest(manifest)["a.glb"].family == "fox"


def test_a_damaged_rig_or_index_is_one_clear_line(tmp_path: Path) -> None:
    path, asset = tmp_path / "rig.npz", simplify_asset(make_asset(joints=5, seed=1))
    compact.save(path, asset)
    whole, refused = path.read_bytes(), 0
    for cut in np.linspace(0, len(whole) - 1, 12).astype(int):
        for damaged in (whole[:cut], whole[:cut] + b"\xff" * 40 + whole[cut + 40 :]):
            path.write_bytes(damaged)
            try:
                compact.load(path)
            except ReadError as error:
                assert "build the cache again" in str(error)
                refused += 1
    assert refused >= 12
    np.savez(path, **(compact.pack_asset(asset) | {"version": np.array(99)}))
    with pytest.raises(ReadError, match="another version"):
        compact.load(path)
    for text in ("[]", "{}", '{"version": 1}', '{"version": 1, "entries": [{"file": 3}], "skipped": {}}', "null"):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ReadError, match="damaged index"):
            open_cache(tmp_path)
