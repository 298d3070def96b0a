"""libassimp, found by pyassimp, with the C structures of the version that was found.

pyassimp 5.2.5 (the newest on PyPI) describes structures of assimp 5.0. Two changed since, and reading them
through pyassimp crashes or gives wrong numbers without a word:

- `aiBone` gained `mArmature` and `mNode` between the count and the weights in 5.1;
- `aiQuatKey` gained `mInterpolation` in 5.4.1: keys are 32 bytes apart instead of 24. `aiVectorKey` gained it
  too, but there the enumeration falls into what was padding (24 bytes before and after).

All other structures read here only grew at their end and are reached through pointers. Of the versions, only
5.2 could be run by the authors; the later layouts follow the C headers. This module is imported by the child
process alone: importing pyassimp raises where there is no library, and opens any file called *assimp*.so
that lies in the working directory (the child's is an empty folder).
"""

import ctypes
import ctypes.util
import os
import sys
import sysconfig
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocapcli.errors import UnsupportedError
from mocapcli_assimp.reader import how_to_get_it

Version = tuple[int, int, int]
DOUBLE_PRECISION = 0x20  # aiGetCompileFlags: every float in every structure is a double


@dataclass(frozen=True)
class Library:
    dll: Any
    structs: Any  # pyassimp's module
    bone: Any  # ctypes structure
    quaternion_key_size: int
    version: Version


def load_library() -> Library:
    """Find libassimp through pyassimp, or say how to get it."""
    _stand_in_for_distutils()
    _extend_search()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyassimp import core, structs
    except BaseException as error:  # its AssimpError derives from BaseException
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UnsupportedError(f"assimp's library could not be loaded ({error})", remedy=how_to_get_it()) from None
    dll = core._assimp_lib.dll
    version = library_version(dll)
    if version < (5, 0, 0):
        raise UnsupportedError(f"assimp {_text(version)} is too old", remedy="version 5 or later is needed")
    if dll.aiGetCompileFlags() & DOUBLE_PRECISION:
        raise UnsupportedError("this assimp was built with double precision", remedy="install the usual build")
    _declare(dll, structs)
    return Library(dll, structs, bone_structure(structs, version), quaternion_key_size(version), version)


def library_version(dll: Any) -> Version:
    patch = getattr(dll, "aiGetVersionPatch", None)
    return int(dll.aiGetVersionMajor()), int(dll.aiGetVersionMinor()), int(patch()) if patch else 0


def bone_structure(structs: Any, version: Version) -> Any:
    """`aiBone` as it lies in memory."""
    owners = [("mArmature", ctypes.c_void_p), ("mNode", ctypes.c_void_p)] if version >= (5, 1, 0) else []

    class Bone(ctypes.Structure):
        _fields_ = [
            ("mName", structs.String),
            ("mNumWeights", ctypes.c_uint),
            *owners,
            ("mWeights", ctypes.POINTER(structs.VertexWeight)),
            ("mOffsetMatrix", structs.Matrix4x4),
        ]

    return Bone


def quaternion_key_size(version: Version) -> int:
    """Bytes from one `aiQuatKey` to the next: a double, four floats and, lately, an enumeration."""
    return 32 if version >= (5, 4, 1) else 24


def _declare(dll: Any, structs: Any) -> None:
    """Signatures of what is called here: ctypes takes everything for int otherwise."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    dll.aiCreatePropertyStore.restype = pointer
    dll.aiSetImportPropertyInteger.argtypes = [pointer, text, number]
    dll.aiSetImportPropertyInteger.restype = None
    dll.aiImportFileExWithProperties.argtypes = [text, ctypes.c_uint, pointer, pointer]
    dll.aiImportFileExWithProperties.restype = ctypes.POINTER(structs.Scene)
    dll.aiGetErrorString.restype = text
    material, unsigned = ctypes.POINTER(structs.Material), ctypes.c_uint
    dll.aiGetMaterialColor.argtypes = [material, text, unsigned, unsigned, ctypes.POINTER(structs.Color4D)]
    dll.aiGetMaterialString.argtypes = [material, text, unsigned, unsigned, ctypes.POINTER(structs.String)]
    dll.aiGetMaterialFloatArray.argtypes = [
        material, text, unsigned, unsigned, ctypes.POINTER(ctypes.c_float), ctypes.POINTER(unsigned),
    ]  # fmt: skip


def _stand_in_for_distutils() -> None:
    """pyassimp imports one function of distutils, which Python 3.12 no longer has (and only Anaconda needs)."""
    if sys.version_info < (3, 12):
        return
    package, module = types.ModuleType("distutils"), types.ModuleType("distutils.sysconfig")
    module.__dict__["get_python_lib"] = lambda: sysconfig.get_path("purelib")
    package.__dict__["sysconfig"] = module
    sys.modules.setdefault("distutils", package)
    sys.modules.setdefault("distutils.sysconfig", module)


def _extend_search() -> None:
    """pyassimp looks into four folders; add where packages really put the library (Homebrew, lib64, Conda)."""
    folders = [Path(sys.prefix, "lib"), Path("/usr/lib64"), Path("/opt/homebrew/lib"), Path("/usr/local/lib64")]
    found = ctypes.util.find_library("assimp")
    if found and os.path.isabs(found):
        folders.append(Path(found).parent)
    if os.name == "nt":
        if found:
            os.environ["PATH"] += os.pathsep + str(Path(found).parent)
        return
    known = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry]
    os.environ["LD_LIBRARY_PATH"] = ":".join(known + [str(folder) for folder in folders])


def _text(version: Version) -> str:
    return ".".join(str(part) for part in version)
