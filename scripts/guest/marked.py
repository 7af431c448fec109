"""What an endpoint of ours delivers for random bytes. The format is that of sluice/pcie/marked_stream.hpp."""

import itertools

LINE = 32  # bytes
HEAD = b"SLUICE "


def line(name, number):
    return HEAD + name.encode()[:8].ljust(8, b".") + b" %015x\n" % number


def stream(name, size):
    """The first bytes of what the endpoint of that name delivers."""
    return b"".join(line(name, n) for n in range(-(-size // LINE)))[:size]


def digest(data):
    """FNV-1a with 64 bits, as pcie::Digest."""
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


class Piece:
    """Bytes that somebody read, taken apart: lines of one endpoint in rising order, but for what is cut off at either end.
    Other readers of the same source take lines too, so that some may be missing."""

    def __init__(self, data):
        self.name, self.numbers, self.fault = None, [], None
        start = data.find(HEAD)
        if not 0 <= start < LINE:
            self.fault = f"no mark in {data[:LINE]!r}"
            return
        self.name = data[start + len(HEAD):start + len(HEAD) + 8].rstrip(b".").decode("ascii", "replace")
        for at in itertools.count(start, LINE):
            one = data[at:at + LINE]
            if not one:
                break
            self._take(one, at)
            if self.fault:
                return
        first = self.numbers[0] if self.numbers else 0
        if not (self.numbers and line(self.name, max(first - 1, 0)).endswith(data[:start])):
            self.fault = f"begins with {data[:start]!r}"

    def _take(self, one, at):
        try:
            number = int(one[16:31], 16) if len(one) == LINE else self.numbers[-1] + 1
        except (ValueError, IndexError):
            number = -1
        if number < 0 or not line(self.name, number).startswith(one):
            self.fault = f"byte {at}: {one!r} is no line of {self.name}"
        elif self.numbers and number <= self.numbers[-1]:
            self.fault = f"byte {at}: line {number:#x} comes after {self.numbers[-1]:#x}"
        elif len(one) == LINE:
            self.numbers.append(number)

    def end(self):
        """How many bytes of the stream there have to be for this piece to be read."""
        return (self.numbers[-1] + 1) * LINE if self.numbers else 0
