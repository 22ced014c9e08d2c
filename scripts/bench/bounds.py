# SPDX-License-Identifier: BSL-1.0
"""benchmarks/bounds.toml: what each figure may be at most, and how it is made from what was measured."""

import dataclasses
import tomllib

# What depends on what else the machine does, and what does not.
PARTS = {
    "times": ("time", "command"),
    "counts": ("instructions", "allocations", "result overhead", "peak growth"),
}
MEASURES = ("instructions", "allocations", "time", "result overhead", "peak growth", "command")


class BadBounds(Exception):
    """The file says something that cannot be."""


@dataclasses.dataclass(frozen=True)
class Bound:
    says: str
    measure: str
    at_most: float
    so_far: float | None = None  # it is missed: what was reached so far, and
    because: str = ""  # why no better
    of: str = ""
    to: str = ""
    children: tuple = ()
    command: tuple = ()

    @property
    def names(self):
        """The contenders that it is about."""
        return [name for name in (self.of, self.to) if name]

    @property
    def unit(self):
        if self.to:
            return "×"
        return {"instructions": "instructions", "allocations": "allocations", "result overhead": "bytes"}.get(
            self.measure, "×"
        )


def load(path):
    try:
        text = path.read_text()
        found = tomllib.loads(text)
    except OSError as error:
        raise BadBounds(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadBounds(f"{path}: {error}") from None
    if set(found) != {"bound"}:
        raise BadBounds(f"{path}: has no [[bound]], or something else beside")
    return [_checked(path, entry) for entry in found["bound"]]


def _checked(path, entry):
    def refuse(why):
        raise BadBounds(f"{path}: the bound {entry.get('says', entry)}: {why}")

    try:
        bound = Bound(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})
    except TypeError as error:
        refuse(str(error).partition(" ")[2])
    if bound.measure not in MEASURES:
        refuse(f"`measure` is one of {', '.join(MEASURES)}")
    if isinstance(bound.at_most, bool) or not isinstance(bound.at_most, (int, float)):
        refuse("`at_most` is a number")
    if (bound.so_far is None) != (not bound.because) or (bound.so_far or bound.at_most + 1) <= bound.at_most:
        refuse("`so_far` is more than `at_most`, and `because` says why")
    if bool(bound.command) != (bound.measure == "command") or bool(bound.of) == (bound.measure == "command"):
        refuse("needs `of`, the name of a contender; or for the measure `command`, that command and nothing else")
    if bound.measure == "time" and not bound.to:
        refuse("a time is compared with that of another contender: it needs `to`")
    if (bound.measure == "peak growth") != (len(bound.children) > 1):
        refuse("`peak growth`, and nothing else, needs `children`: two numbers or more")
    return bound


@dataclasses.dataclass(frozen=True)
class Verdict:
    bound: Bound
    figure: float

    @property
    def held(self):
        return self.figure <= self.bound.at_most

    def no_worse(self, percent):
        """Whether it is held, or as near as it was, give or take what another C library or processor does."""
        reached = self.bound.at_most if self.bound.so_far is None else self.bound.so_far
        return self.figure <= reached * (1 + percent / 100)


def judge(bound, figure):
    """The figure is held against its bound as it is printed: so that no line says that 1.120 is more than 1.12."""
    return Verdict(bound, round(figure, 0 if bound.unit == "instructions" else 3))
