"""Caches built in parts: by shards, by several workers, by runs that are cut short."""

from pathlib import Path

import pytest

from factories import make_asset, make_motion
from mocapcli.cli import main
from mocapcli.data import build as building
from mocapcli.data.build import build_cache
from mocapcli.data.cache import INDEX, open_cache
from mocapcli.errors import ReadError
from mocapcli.formats import write_asset


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four folders of one rig each, one of them broken."""
    folder = tmp_path_factory.mktemp("assets")
    for number, name in enumerate(("ant", "bee", "cat")):
        (folder / name).mkdir()
        asset = make_asset(joints=5, seed=number)
        clip = make_motion(asset.rig.skeleton, frames=20, fps=30.0, seed=number)
        write_asset(folder / name / f"{name}.glb", asset.with_motions([clip]))
    (folder / "dog").mkdir()
    (folder / "dog" / "dog.glb").write_bytes(b"glTF nonsense")
    return folder


@pytest.fixture(scope="module")
def whole(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache as one run builds it."""
    folder = tmp_path_factory.mktemp("whole")
    build_cache(assets, folder, creatures=[3], progress_bar=False)
    return folder


def build(assets: Path, output: Path, *options: object) -> int:
    return main(["data", "build", str(assets), "-o", str(output), "--zoo", "1", "--seed", "3", *map(str, options)])


def same(one: Path, other: Path) -> bool:
    files = [sorted(path.name for path in (folder / "rigs").iterdir()) for folder in (one, other)]
    return files[0] == files[1] and (one / INDEX).read_bytes() == (other / INDEX).read_bytes()


def test_shards_build_the_same_cache_as_one_run(
    assets: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "cache"
    for shard in ("3/3", "1/3"):
        assert build(assets, output, "--shard", shard) == 0
        assert "of other shards are to come" in capsys.readouterr().out
        with pytest.raises(ReadError, match=r"this cache is not finished .*every shard"):
            open_cache(output)
    assert build(assets, output, "--shard", "2/3") == 0
    assert "4 rigs" in capsys.readouterr().out
    assert same(output, whole)
    assert build(assets, output, "--shard", "2/3") == 0, "again, harmlessly"
    assert same(output, whole)


def test_workers_build_the_same_cache_as_one_run(assets: Path, whole: Path, tmp_path: Path) -> None:
    assert build(assets, tmp_path / "cache", "--workers", 2) == 0
    assert same(tmp_path / "cache", whole)


def test_a_relative_folder_is_found_from_everywhere(
    assets: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(assets)
    assert build(Path("."), tmp_path / "cache") == 0
    assert same(tmp_path / "cache", whole)


def count_parts(monkeypatch: pytest.MonkeyPatch, trouble: dict[str, BaseException]) -> list[str]:
    """Names of groups as they are built; those named in `trouble` raise."""
    built: list[str] = []
    real = building.build_part

    def build_part(task, folder, root):
        name = getattr(task, "name", str(task))
        if name in trouble:
            raise trouble[name]
        built.append(name)
        return real(task, folder, root)

    monkeypatch.setattr(building, "build_part", build_part)
    return built


def test_a_build_that_was_stopped_goes_on(
    assets: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: dict[str, BaseException] = {"cat": KeyboardInterrupt()}
    built = count_parts(monkeypatch, trouble)
    assert build(assets, tmp_path / "cache") == 130
    with pytest.raises(ReadError, match="not finished"):
        open_cache(tmp_path / "cache")
    trouble.clear()
    assert build(assets, tmp_path / "cache") == 0
    assert built == ["ant", "bee", "cat", "dog", "3"]
    assert same(tmp_path / "cache", whole)
    assert build(assets, tmp_path / "cache") == 0
    assert len(built) == 10, "a finished cache is built anew"


def test_a_group_that_trips_us_is_left_out_and_tried_again(
    assets: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: dict[str, BaseException] = {"bee": ZeroDivisionError("oh")}
    count_parts(monkeypatch, trouble)
    output = tmp_path / "cache"
    assert build(assets, output, "--shard", "1/1") == 1
    assert open_cache(output).skipped["bee"] == "ZeroDivisionError: oh"
    trouble.clear()
    assert build(assets, output, "--shard", "1/1") == 0
    assert same(output, whole)


def test_shards_that_are_none(assets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(assets, tmp_path / "cache", "--shard", "4/3") == 2
    assert capsys.readouterr().err == "mocap: there is no shard 4 of 3 (they count from 1, as in 2/8)\n"
    assert not (tmp_path / "cache").exists()
