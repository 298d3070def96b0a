"""`mocap render`: films that decode, pictures with somebody in them, and errors in one line."""

import os
import sys
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from factories import make_asset
from mocapcli.cli import main
from mocapcli.errors import UnsupportedError, WriteError
from mocapcli.formats import write_asset
from mocapcli.kinematics import transform_asset
from mocapcli.render import movie
from mocapcli.render.stage import PALETTES, make_stage
from mocapcli.render.viewpoints import VIEWS, Extent, extent_of, parse_view, place_cameras
from mocapcli.types import Asset, Rig


@pytest.fixture(scope="module")
def rigs(tmp_path_factory):
    """GLBs: `two` has clips of 7 and 8 frames, `none` no clips, `bones` no mesh, `still` a clip of one frame."""
    folder = tmp_path_factory.mktemp("rigs")
    write_asset(folder / "two.glb", make_asset(clips=2))
    write_asset(folder / "none.glb", make_asset(clips=0))
    write_asset(folder / "bones.glb", make_asset(clips=1, mesh=False))
    write_asset(folder / "still.glb", make_asset(clips=1, frames=1))
    return folder


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main(["render", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def decode(path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        return frames, float(container.streams.video[0].average_rate)


def subject(picture: np.ndarray, paper=(255, 255, 255)) -> float:
    """Share of pixels that are not paper."""
    return float((np.abs(picture[..., :3].astype(int) - paper).max(axis=-1) > 24).mean())


# ---------------------------------------------------------------- films


def test_a_film_has_all_frames_and_shows_the_creature_moving(capsys, rigs, tmp_path):
    path = tmp_path / "two.mp4"
    code, out, err = run(capsys, rigs / "two.glb", "-o", path, "--size", "96x64", "--background", "white")
    assert (code, err) == (0, "")
    assert out == f"{path}: clip0, 7 frames, 30 fps\n"
    frames, fps = decode(path)
    assert frames.shape == (7, 64, 96, 3) and fps == 30
    assert all(0.02 < subject(frame) < 0.9 for frame in frames)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 60
    assert os.listdir(tmp_path) == ["two.mp4"]


def test_odd_sizes_become_even_without_moving_the_picture(capsys, rigs, tmp_path):
    path = tmp_path / "odd.mp4"
    code, *_ = run(capsys, rigs / "two.glb", "-o", path, "--size", "65x49", "--clip", "clip1", "--background", "white")
    frames, _ = decode(path)
    assert code == 0 and frames.shape == (8, 50, 66, 3)
    assert subject(frames[0]) > 0.02


def test_one_frame_is_a_film_too(capsys, rigs, tmp_path):
    assert run(capsys, rigs / "still.glb", "-o", tmp_path / "still.mp4", "--size", "32")[0] == 0
    assert decode(tmp_path / "still.mp4")[0].shape == (1, 32, 32, 3)


def test_fps_resamples(capsys, rigs, tmp_path):
    assert run(capsys, rigs / "two.glb", "-o", tmp_path / "a.mp4", "--size", "32", "--fps", "10")[0] == 0
    frames, fps = decode(tmp_path / "a.mp4")
    assert (len(frames), fps) == (3, 10)


def test_views_stand_side_by_side(capsys, rigs, tmp_path):
    views = ["--view", "front", "--view", "side", "--view", "200,-10"]
    code, *_ = run(capsys, rigs / "two.glb", "-o", tmp_path / "a.mp4", "--size", "48", "--background", "white", *views)
    frames, _ = decode(tmp_path / "a.mp4")
    assert code == 0 and frames.shape == (7, 48, 144, 3)
    panels = np.split(frames[3], 3, axis=1)
    assert all(subject(panel) > 0.02 for panel in panels)
    assert np.abs(panels[0].astype(int) - panels[1]).max() > 60


def test_without_clips_the_rest_pose_turns(capsys, rigs, tmp_path):
    path = tmp_path / "none.mp4"
    code, out, _ = run(capsys, rigs / "none.glb", "-o", path, "--size", "32", "--fps", "5", "--background", "white")
    frames, _ = decode(path)
    assert code == 0 and "rest pose, 20 frames" in out
    assert frames.shape == (20, 32, 32, 3)
    assert np.abs(frames[0].astype(int) - frames[5]).max() > 60
    assert min(subject(frame) for frame in frames) > 0.01


def test_a_gif_plays_forever_and_shows_the_creature(capsys, rigs, tmp_path):
    path = tmp_path / "two.gif"
    assert run(capsys, rigs / "two.glb", "-o", path, "--size", "60x45", "--background", "white")[0] == 0
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (6, (60, 45), 0, 40)
        shown = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            shown.append(np.array(gif.convert("RGB")))
    assert all(subject(picture) > 0.02 for picture in shown)
    assert np.abs(shown[0].astype(int) - shown[-1]).max() > 60


# ---------------------------------------------------------------- pictures


def picture(capsys, rigs, tmp_path, *options, file="two.glb") -> np.ndarray:
    path = tmp_path / "picture.png"
    code, _, err = run(capsys, rigs / file, "-o", path, *options)
    assert (code, err) == (0, "")
    with Image.open(path) as image:
        return np.array(image)


def test_a_picture_of_a_moment(capsys, rigs, tmp_path):
    first = picture(capsys, rigs, tmp_path, "--time", "0", "--size", "64", "--background", "#ffffff")
    last = picture(capsys, rigs, tmp_path, "--time", "0.2", "--size", "64", "--background", "#ffffff")
    assert first.shape == (64, 64, 3)
    assert subject(first) > 0.02 and np.abs(first.astype(int) - last).max() > 60


def test_a_transparent_picture_keeps_its_alpha(capsys, rigs, tmp_path):
    shown = picture(capsys, rigs, tmp_path, "--size", "64", "--background", "transparent")
    assert shown.shape == (64, 64, 4)
    assert shown[0, 0, 3] == 0 and shown[..., 3].max() == 255


def test_rigs_without_mesh_or_clips_have_pictures(capsys, rigs, tmp_path):
    for file in ("bones.glb", "none.glb"):
        shown = picture(capsys, rigs, tmp_path, "--size", "64", "--background", "white", file=file)
        assert subject(shown) > 0.01


def test_skeleton_and_trails_are_drawn_over_the_body(capsys, rigs, tmp_path):
    options = ("--size", "96", "--background", "white", "--time", "0.2")
    plain = picture(capsys, rigs, tmp_path, *options)
    bones = picture(capsys, rigs, tmp_path, *options, "--skeleton")
    trail = picture(capsys, rigs, tmp_path, *options, "--trails", "joint4")
    assert 0.005 < subject(bones, plain) < 0.5
    assert 0.001 < subject(trail, plain) < 0.2


def test_the_stage_has_a_shadow_on_its_floor(capsys, rigs, tmp_path):
    options = ("--size", "96", "--view", "top")
    shown = picture(capsys, rigs, tmp_path, *options, "--background", "studio")
    alpha = picture(capsys, rigs, tmp_path, *options, "--background", "transparent")[..., 3]
    floor = shown[alpha == 0].astype(int).sum(axis=1)
    darker = floor < 0.85 * np.median(floor)
    assert 0.005 < darker.mean() < 0.6


@pytest.mark.parametrize("background", sorted(PALETTES))
def test_stages_are_even_and_never_burnt_out(capsys, rigs, tmp_path, background):
    shown = picture(capsys, rigs, tmp_path, "--size", "64", "--background", background)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 100
    assert 5 < shown.mean() < 250


# ---------------------------------------------------------------- contact sheets


def test_a_sheet_shows_every_clip(capsys, rigs, tmp_path):
    path = tmp_path / "sheet.png"
    code, out, _ = run(
        capsys, rigs / "two.glb", "-o", path, "--sheet", "--size", "40", "--tiles", "3", "--background", "white"
    )
    assert code == 0 and "2 clips" in out
    with Image.open(path) as image:
        page = np.array(image)
    assert page.shape == (2 * (44 + 46) + 16, 2 * 16 + 3 * 46 - 6, 3)
    for band in (0, 1):
        for column in range(3):
            tile = page[90 * band + 44 :, 16 + 46 * column :][20:40, :40]  # below the label
            assert subject(tile) > 0.02
    assert subject(page[:44]) > 0.005  # the clip's name


def test_a_sheet_of_many_clips_has_several_columns(capsys, tmp_path):
    write_asset(tmp_path / "many.glb", make_asset(clips=9, frames=2))
    code, out, _ = run(
        capsys, tmp_path / "many.glb", "-o", tmp_path / "a.png", "--sheet", "--size", "30", "--tiles", "2"
    )
    assert code == 0 and "9 clips" in out
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 2 * (2 * 16 + 2 * 36 - 6) and image.height == 5 * (44 + 36) + 16


def test_a_sheet_of_one_clip_and_of_none(capsys, rigs, tmp_path):
    for file, words in (("two.glb", ["--clip", "1"]), ("none.glb", []), ("still.glb", [])):
        code, out, _ = run(capsys, rigs / file, "-o", tmp_path / "a.png", "--sheet", "--size", "24", *words)
        assert code == 0 and "1 clip," in out


# ---------------------------------------------------------------- cameras


def wandering(distance: float) -> Asset:
    """A rig that goes that far along X."""
    asset = make_asset(clips=1, frames=31)
    motion = asset.motions[0]
    moved = np.array(motion.translations)
    moved[:, 0, 0] += np.linspace(0, distance, motion.frames)
    return asset.with_motions([type(motion)("walk", 30.0, motion.rotations, moved)])


@pytest.mark.parametrize(("distance", "moves"), [(0.0, False), (30.0, True)])
def test_the_camera_follows_only_those_that_go_far(distance, moves):
    from mocapcli.render.preview import act_of
    from mocapcli.render.viewpoints import path_of

    asset = wandering(distance)
    act = act_of(asset.rig, asset.motions[0])
    path, extent = path_of(act.model, act.world, 30.0), extent_of(act.model, act.world)
    cameras = place_cameras(extent, path, parse_view("side"), (80, 60))
    assert (np.ptp([camera.position[0] for camera in cameras]) > 1) == moves
    for frame, camera in enumerate(cameras):  # whoever it films stays in the picture
        pixels, depth = camera.project(act.world[frame][:, :3, 3])
        assert (depth > 0).all() and (pixels > 0).all() and (pixels < (80, 60)).all()


@pytest.mark.parametrize(("lows", "rest", "ground"), [((0, -1, 2), 0.1, 0.1), ((5, 6, 7, 8), 0, 5.9), ((0, 0), 9, 0)])
def test_the_floor_is_where_the_rest_pose_stands_unless_the_clip_is_elsewhere(lows, rest, ground):
    points = np.array([[[0.0, low, 0.0], [0.0, low + 1.0, 0.0]] for low in lows])
    assert Extent(list(range(len(lows))), points, rest).ground == pytest.approx(ground)


def test_grid_squares_have_round_sizes():
    for size, cell in ((2.0, 1.0), (0.11, 0.05), (47.0, 20.0)):
        assert make_stage(PALETTES["studio"], 0.0, size).cell == pytest.approx(cell)


@pytest.mark.parametrize("scale", [1e-5, 1e5, 0.0])
def test_rigs_of_any_size_are_filmed(scale):
    from mocapcli.render.preview import Wishes, act_of, play

    asset = make_asset(clips=1, mesh=False)
    asset = transform_asset(asset, scale) if scale else collapsed(asset)
    wishes = Wishes(size=(48, 48), background=PALETTES["studio"], skeleton=True, trails=(2,))
    shown = np.stack(list(play(act_of(asset.rig, asset.motions[0]), wishes)))
    assert shown.shape == (7, 48, 48, 3)
    assert len(np.unique(shown)) > 20


def collapsed(asset: Asset) -> Asset:
    """All joints in one place."""
    skeleton = asset.rig.skeleton
    motion = asset.motions[0]
    rig = Rig(replace(skeleton, rest_translations=np.zeros((skeleton.joints, 3))))
    return Asset(rig, (replace(motion, translations=np.zeros(motion.translations.shape)),))


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--clip", "runn"], 1, ["no clip 'runn'", "0 'clip0'", "1 'clip1'"]),
        (["--clip", "7"], 1, ["no clip '7'"]),
        (["--view", "nose"], 2, ["no view called 'nose'", *VIEWS]),
        (["--view", "1,nan"], 2, ["no direction"]),
        (["--view", "10,91"], 2, ["-90 and 90"]),
        (["--trails", "jiont3"], 1, ["no joint named 'jiont3'", "joint0", "joint4"]),
        (["--size", "big"], 2, ["800x600"]),
        (["--size", "4x4"], 2, ["out of range"]),
        (["--size", "8192", "--view", "front"], 2, ["too large"]),
        (["--size", "99999x20"], 2, ["out of range"]),
        (["--background", "purplish"], 2, ["no colour", "studio"]),
        (["--background", "transparent"], 2, ["name it .png"]),
        (["--time", "0.1"], 2, ["name the output .png"]),
        (["--sheet"], 2, ["name it .png"]),
        (["--tiles", "4"], 2, ["add --sheet"]),
        (["--rest", "--clip", "0"], 2, ["leave out --clip"]),
        (["--fps", "0"], 2, ["--fps"]),
    ],
)
def test_mistakes_are_told_in_one_line_and_leave_no_file(capsys, rigs, tmp_path, options, code, words):
    got, out, err = run(capsys, rigs / "two.glb", "-o", tmp_path / "a.mp4", *options)
    assert (got, out) == (code, "")
    assert all(word in err for word in words), err
    assert err.count("\n") == 1 or "Usage" in err
    assert not os.listdir(tmp_path)


def test_a_time_after_the_end_names_the_end(capsys, rigs, tmp_path):
    code, _, err = run(capsys, rigs / "two.glb", "-o", tmp_path / "a.png", "--time", "3")
    assert code == 1 and "ends at second 0.200" in err
    code, _, err = run(capsys, rigs / "none.glb", "-o", tmp_path / "a.png", "--time", "3")
    assert code == 1 and "no clips" in err


@pytest.mark.parametrize("name", ["a.avi", "a", "a.glb"])
def test_unknown_kinds_of_output_list_the_known_ones(capsys, rigs, tmp_path, name):
    code, _, err = run(capsys, rigs / "two.glb", "-o", tmp_path / name)
    assert code == 2 and ".mp4, .gif, .png" in err


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png"])
def test_outputs_that_cannot_be_written(capsys, rigs, tmp_path, name):
    code, _, err = run(capsys, rigs / "two.glb", "-o", tmp_path / "nowhere" / name, "--size", "16")
    assert code == 1 and "there is no folder" in err
    (tmp_path / name).mkdir()
    code, _, err = run(capsys, rigs / "two.glb", "-o", tmp_path / name, "--size", "16")
    assert code == 1 and "this is a folder" in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_a_write_error(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(WriteError, match="No space left"):
        movie.write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_an_interrupted_film_leaves_the_old_one_whole(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"old")

    def pictures():
        yield np.zeros((16, 16, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        movie.write_movie(path, pictures(), 30.0)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def test_a_film_without_pictures_is_refused(tmp_path):
    for name in ("a.mp4", "a.gif"):
        with pytest.raises(WriteError, match="at least one frame"):
            movie.write_movie(tmp_path / name, [], 30.0)
    assert not os.listdir(tmp_path)


def test_a_gif_that_memory_cannot_hold_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(movie, "LARGEST_GIF", 5 * 16 * 16 * 3)
    endless = (np.zeros((16, 16, 3), np.uint8) for _ in iter(int, 1))
    with pytest.raises(UnsupportedError, match="too much for a gif"):
        movie.write_movie(tmp_path / "a.gif", endless, 25.0)
    assert not os.listdir(tmp_path)


def test_a_clip_of_days_is_refused_before_it_is_resampled(capsys, tmp_path):
    asset = make_asset(clips=1)
    write_asset(tmp_path / "slow.npz", asset.with_motions([replace(asset.motions[0], fps=1e-7)]))
    code, _, err = run(capsys, tmp_path / "slow.npz", "-o", tmp_path / "a.mp4")
    assert code == 1 and "too long to film" in err and "a.mp4" not in os.listdir(tmp_path)


def test_progress_is_shown_to_terminals_only(capsys, rigs, tmp_path, monkeypatch):
    arguments = (rigs / "two.glb", "-o", tmp_path / "a.mp4", "--size", "16")
    assert run(capsys, *arguments)[2] == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "render" in run(capsys, *arguments)[2]
