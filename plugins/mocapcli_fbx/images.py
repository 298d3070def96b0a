"""Textures of an FBX file: inside it, or in its folder and nowhere else."""

from pathlib import Path, PureWindowsPath

from mocapcli.types import Texture

LARGEST_FILE = 64 << 20
SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"DDS ": "image/vnd-ms.dds",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
EXTENSIONS = {"image/jpeg": "jpg", "image/vnd-ms.dds": "dds", "image/x-tga": "tga"}
USUAL_FOLDERS = ("", "textures", "Textures")


def find_texture(name: str, files: list[str], content: bytes, folder: Path) -> Texture | None:
    """The image's bytes with a name, or None where there is no such file."""
    label = PureWindowsPath(files[0]).stem if files else name  # understands both kinds of slash
    if not content:
        content = next((data for file in files if (data := _read_inside(file, folder)) is not None), b"")
    return Texture(label or name or "texture", content, mime_type(content)) if content else None


def mime_type(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    found = (kind for signature, kind in SIGNATURES.items() if content.startswith(signature))
    return next(found, "image/x-tga")  # TGA has no signature


def file_extension(kind: str) -> str:
    return EXTENSIONS.get(kind, kind.rpartition("/")[2])


def _read_inside(file: str, folder: Path) -> bytes | None:
    """The file as named, or one of that name in the usual places, if it lies within `folder`."""
    parts = [part for part in PureWindowsPath(file).parts if part not in ("/", "\\")]
    if not parts or "\0" in file:
        return None
    home = folder.resolve()
    for candidate in (home.joinpath(*parts), *(home / place / parts[-1] for place in USUAL_FOLDERS)):
        try:
            target = candidate.resolve()
            if target.is_relative_to(home) and target.is_file() and target.stat().st_size <= LARGEST_FILE:
                return target.read_bytes()
        except (OSError, RuntimeError):  # too long a name, a loop of links
            continue
    return None
