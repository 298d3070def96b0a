"""What is done of a long run, kept on disk: a killed run goes on where it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mocapcli.evaluation.results import Judged, judged_from_plain, plain_judged


class Partial:
    """JSON lines beside the output: a header that says what is being run, then a line for every window judged.

    A file of another run (other settings, weights, code) is written anew. Of the same one nothing is written again:
    a kill at any moment costs no more than the window in work.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        lines = list(self._lines())
        same = bool(lines) and lines[0][1] == header
        whole = lines[-1][0] if same else 0
        self.done: dict[str, Judged] = {}
        if same:
            self.done = {line["window"]: judged_from_plain(line) for _, line in lines[1:] if "rows" in line}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.stream = path.open("r+b" if same else "wb")
        self.stream.truncate(whole)
        self.stream.seek(whole)
        if not same:
            self._write(header)

    def add(self, judged: Judged) -> None:
        self._write(plain_judged(judged))

    def close(self) -> None:
        self.stream.close()

    def _write(self, content: dict[str, Any]) -> None:
        self.stream.write(json.dumps(content).encode() + b"\n")
        self.stream.flush()

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Whole lines, each with where it ends: the last may have been cut."""
        if not self.path.exists():
            return
        end = 0
        with self.path.open("rb") as stream:
            for text in stream:
                end += len(text)
                try:
                    line = json.loads(text)
                except ValueError:
                    return
                if not text.endswith(b"\n") or not isinstance(line, dict):
                    return
                yield end, line
