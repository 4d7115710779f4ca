"""The objects of one namespace in name order, in blocks whose joined bytes are kept: a list is served as a
few slices.

A change touches one block and drops only that block's joined bytes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice

from apiserver.watchcache.entry import Entry

# Objects in a block before it is split in two; the middle of the range that was measured best (64 to 128).
MOST = 128


class Block:
    __slots__ = ("body", "entries", "names")

    def __init__(self, names: list[str], entries: list[Entry]) -> None:
        self.names = names
        self.entries = entries
        # The objects joined by commas; None when a change has come since.
        self.body: bytes | None = None

    def joined(self) -> bytes:
        if self.body is None:
            self.body = b",".join([entry.data for entry in self.entries])
        return self.body


class Blocks:
    """A sorted map from name to `Entry`, in blocks."""

    __slots__ = ("_firsts", "blocks", "size")

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        # First name of each block, for the search.
        self._firsts: list[str] = []
        self.size = 0

    def put(self, entry: Entry) -> None:
        """Add or replace the entry of this name."""
        name = entry.key.name
        if not self.blocks:
            self.blocks.append(Block([name], [entry]))
            self._firsts.append(name)
            self.size = 1
            return
        number = self._find(name)
        block = self.blocks[number]
        at = bisect_left(block.names, name)
        block.body = None
        if at < len(block.names) and block.names[at] == name:
            block.entries[at] = entry
            return
        block.names.insert(at, name)
        block.entries.insert(at, entry)
        self.size += 1
        self._firsts[number] = block.names[0]
        if len(block.names) > MOST:
            self._split(number)

    def remove(self, name: str) -> None:
        """Drop the entry of this name, if it is there."""
        if not self.blocks:
            return
        number = self._find(name)
        block = self.blocks[number]
        at = bisect_left(block.names, name)
        if at == len(block.names) or block.names[at] != name:
            return
        del block.names[at], block.entries[at]
        block.body = None
        self.size -= 1
        if block.names:
            self._firsts[number] = block.names[0]
        else:
            del self.blocks[number], self._firsts[number]

    def __iter__(self) -> Iterator[Entry]:
        for block in self.blocks:
            yield from block.entries

    def after(self, name: str) -> Iterator[Entry]:
        """Yield the entries whose names follow `name`."""
        if not self.blocks:
            return
        number, at = self._behind(name)
        yield from self.blocks[number].entries[at:]
        for later in islice(self.blocks, number + 1, None):
            yield from later.entries

    def count_after(self, name: str) -> int:
        """Return how many names follow `name`."""
        if not self.blocks:
            return 0
        number, at = self._behind(name)
        return sum(len(block.names) for block in islice(self.blocks, number, None)) - at

    def _behind(self, name: str) -> tuple[int, int]:
        """Return the block, and the place in it, of the first name that follows `name`."""
        number = self._find(name)
        return number, bisect_right(self.blocks[number].names, name)

    def _find(self, name: str) -> int:
        low = bisect_left(self._firsts, name)
        if low < len(self._firsts) and self._firsts[low] == name:
            return low
        return max(0, low - 1)

    def _split(self, number: int) -> None:
        block = self.blocks[number]
        # Names usually come in order (generated suffixes do not, but then both halves fill): keep the left
        # part fuller.
        middle = MOST * 3 // 4 if number == len(self.blocks) - 1 else MOST // 2
        right = Block(block.names[middle:], block.entries[middle:])
        del block.names[middle:], block.entries[middle:]
        self.blocks.insert(number + 1, right)
        self._firsts.insert(number + 1, right.names[0])
