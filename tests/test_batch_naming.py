"""Which videos and rigs become which files, whatever they are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocapcli.batch.naming import find_videos, plan_outputs
from mocapcli.errors import ReadError


def make(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def names(videos: list[str], rigs: list[str], extension: str | None = None) -> list[str]:
    endings = [extension or Path(rig).suffix[1:] for rig in rigs]
    pairs, _ = plan_outputs([Path(video) for video in videos], [Path(rig) for rig in rigs], Path("out"), endings)
    return [pair.output.name for pair in pairs]


def test_names_are_short_where_they_can_be() -> None:
    assert names(["a/walk.mp4", "b/run.mov"], ["fox.glb", "cat.fbx"]) == [
        "walk-fox.glb",
        "walk-cat.fbx",
        "run-fox.glb",
        "run-cat.fbx",
    ]
    assert names(["a.b.mp4"], ["fox.glb"], "bvh") == ["a.b-fox.bvh"]
    assert names(["album"], ["fox.vrm"]) == ["album-fox.vrm"]


def test_clashing_names_grow_and_the_others_do_not() -> None:
    assert names(["a/walk.mp4", "a/walk.mov", "a/run.mp4"], ["fox.glb"]) == [
        "walk.mp4-fox.glb.glb",
        "walk.mov-fox.glb.glb",
        "run-fox.glb",
    ]
    assert names(["walk.mp4"], ["fox.glb", "fox.fbx"]) == ["walk-fox.glb", "walk-fox.fbx"]
    assert names(["walk.mp4"], ["fox.glb", "fox.fbx"], "bvh") == ["walk.mp4-fox.glb.bvh", "walk.mp4-fox.fbx.bvh"]
    assert names(["/a/walk.mp4", "/b/walk.mp4"], ["/r/fox.glb"]) == [
        "a-walk.mp4-r-fox.glb.glb",
        "b-walk.mp4-r-fox.glb.glb",
    ]
    assert names(["a-b.mp4", "a.mp4"], ["c.glb", "b-c.glb"])[0] == "a-b.mp4-c.glb.glb"
    assert names(["Walk.mp4", "walk.mov"], ["fox.glb"]) == ["Walk.mp4-fox.glb.glb", "walk.mov-fox.glb.glb"]


def test_clashes_are_told() -> None:
    pairs, notes = plan_outputs(
        [Path("a/walk.mp4"), Path("a/walk.mov"), Path("run.mp4")], [Path("fox.glb")], Path("out"), ["glb"]
    )
    assert notes == [
        "a/walk.mp4 for fox.glb becomes walk.mp4-fox.glb.glb: shorter names would clash",
        "a/walk.mov for fox.glb becomes walk.mov-fox.glb.glb: shorter names would clash",
    ]
    assert [pair.output for pair in pairs][2] == Path("out/run-fox.glb")


paths = st.lists(
    st.builds(
        lambda folders, stem, extension: Path("/", *folders, f"{stem}.{extension}"),
        st.lists(st.sampled_from(["a", "A", "a-b", "b"]), max_size=3),
        st.sampled_from(["a", "b", "a-b", "A", "b.glb"]),
        st.sampled_from(["glb", "fbx", "mp4"]),
    ),
    unique=True,
    max_size=6,
)


@given(paths, paths, st.sampled_from([None, "glb"]), st.randoms(use_true_random=False))
def test_names_differ_whatever_comes_and_do_not_depend_on_order(videos, rigs, extension, random) -> None:
    def plan(videos, rigs):
        return plan_outputs(videos, rigs, Path("/out"), [extension or rig.suffix[1:] for rig in rigs])[0]

    pairs = plan(videos, rigs)
    assert len({pair.output.name.casefold() for pair in pairs}) == len(pairs) == len(videos) * len(rigs)
    others = plan(random.sample(videos, len(videos)), random.sample(rigs, len(rigs)))
    assert set(others) == set(pairs)


def test_folders_give_all_their_videos_once_in_order(tmp_path: Path) -> None:
    found = make(tmp_path, "b.mp4", "a.MOV", "deep/c.webm", "deep/notes.txt", "album/1.png", "album/2.png")
    make(tmp_path, ".hidden/d.mp4", ".e.mp4", "deep/thumbnail.jpg", "out/preview.mp4", "out/frames/1.png")
    videos = find_videos([found[0], tmp_path], [tmp_path / "out"])
    assert [path.relative_to(tmp_path).as_posix() for path in videos] == ["b.mp4", "a.MOV", "album", "deep/c.webm"]
    assert find_videos([tmp_path / "album"], [tmp_path]) == [tmp_path / "album"], "a folder of pictures is a video"
    assert find_videos([tmp_path / "deep", tmp_path / "deep"], [tmp_path / "deep"]) == [tmp_path / "deep/c.webm"]


def test_files_are_taken_as_they_are_named(tmp_path: Path) -> None:
    assert find_videos([tmp_path / "nothing.xyz"], [tmp_path]) == [tmp_path / "nothing.xyz"]


def test_a_folder_without_videos_is_told(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt")
    with pytest.raises(ReadError, match="no video in this folder"):
        find_videos([tmp_path], [tmp_path / "out"])
