"""What Blender sees in animation files; run with a Python that has the `bpy` wheel (never a dependency of ours).

Jobs come as JSON lines on stdin, answers leave as JSON lines on stdout, as in read_three.mjs:
{"file": "a.fbx", "times": [0, 0.5], "fps": 30} -> {"joints": [...], "positions": [time][joint][3]}, metres, Y up.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

answers = os.fdopen(os.dup(1), "w")  # Blender chats on stdout
os.dup2(2, 1)

import bpy  # noqa: E402, I001  (first: it brings addon_utils)
import addon_utils  # noqa: E402


def main() -> None:
    for line in sys.stdin:
        try:
            answer = see(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def see(job: dict) -> dict:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with contextlib.suppress(Exception):
        addon_utils.disable("cycles")  # the FBX importer trips over lights with it
    load(job["file"], job.get("fps", 30.0))
    play(job.get("clip"))
    scene = bpy.context.scene
    rate = scene.render.fps / scene.render.fps_base
    if job["file"].lower().endswith(".bvh"):
        rate = job.get("fps", rate)  # its frames become Blender's frames, at a rate rounded to a whole number
    takes = job["file"].lower().endswith((".fbx", ".bvh"))  # times count from the first key; elsewhere from zero
    first = first_key() if takes else 0.0
    getters = [(o.name, b.name) for o in scene.objects if o.type == "ARMATURE" for b in o.data.bones]
    if not getters:
        getters = [(o.name, None) for o in scene.objects]
    frames = []
    for time in job["times"]:
        frame = first + time * rate
        whole = int(frame // 1)
        scene.frame_set(whole, subframe=min(max(frame - whole, 0.0), 0.999999))
        frames.append([place(name, bone) for name, bone in getters])
    return {"joints": [bone or name for name, bone in getters], "positions": frames}


def load(file: str, fps: float) -> None:
    scene = bpy.context.scene
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    extension = Path(file).suffix.lower()
    if extension == ".fbx":
        bpy.ops.import_scene.fbx(filepath=file, anim_offset=0.0, ignore_leaf_bones=False)
    elif extension in (".glb", ".gltf"):
        bpy.ops.import_scene.gltf(filepath=file, bone_heuristic="BLENDER", disable_bone_shape=True)
    elif extension == ".bvh":
        bpy.ops.import_anim.bvh(
            filepath=file, axis_forward="-Z", axis_up="Y", frame_start=0, update_scene_fps=True, rotate_mode="NATIVE"
        )
    else:
        bpy.ops.wm.usd_import(filepath=file)


def play(clip: str | None) -> None:
    """Several takes arrive as several actions: choose the one that carries the clip's name."""
    if clip is None or len(bpy.data.actions) < 2:
        return
    found = [a for a in bpy.data.actions if f"|{clip}|" in f"|{a.name}|"]
    found = found or sorted((a for a in bpy.data.actions if clip in a.name), key=lambda a: len(a.name))
    for scene_object in bpy.context.scene.objects:
        if scene_object.type == "ARMATURE" and found:
            data = scene_object.animation_data or scene_object.animation_data_create()
            for track in data.nla_tracks:
                track.mute = True
            data.action = found[0]
            if len(found[0].slots):
                data.action_slot = found[0].slots[0]


def first_key() -> float:
    """The frame that file time zero, or the take's start, came to lie on."""
    scene_objects = bpy.context.scene.objects
    active = [o.animation_data.action for o in scene_objects if o.animation_data and o.animation_data.action]
    return min((action.frame_range[0] for action in active), default=0.0)


def place(name: str, bone: str | None) -> list[float]:
    scene_object = bpy.data.objects[name].evaluated_get(bpy.context.evaluated_depsgraph_get())
    matrix = scene_object.matrix_world
    if bone is not None:
        matrix = matrix @ scene_object.pose.bones[bone].matrix
    x, y, z = matrix.to_translation()
    return [x, z, -y]


main()
