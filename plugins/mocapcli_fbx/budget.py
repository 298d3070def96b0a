"""In the child: how much a file of a given size may ask for. Compression and clever counts could ask for anything."""

from mocapcli.errors import ReadError


class Budget:
    """Allowances that shrink as they are spent; larger files get more, so that honest ones never run out."""

    def __init__(self, file_bytes: int) -> None:
        self._left = {
            "joints × frames of animation": 500_000 + file_bytes // 8,
            "joints × takes": 20_000 + file_bytes // 50,
            "polygon corners": 1_500_000 + file_bytes,
            "skin weights": 3_000_000 + file_bytes,
        }

    def spend(self, what: str, amount: int, place: str) -> None:
        self._left[what] -= amount
        if self._left[what] < 0:
            raise ReadError(f"asks for {amount} {what}, too many for a file of this size", place=place)
