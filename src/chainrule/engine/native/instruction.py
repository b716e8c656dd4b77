"""What every instruction of the native loop does by its fields: it is laid out, checked and shown.

An instruction in a program is a run of int64: its opcode, its length, then the fields of its class in order. An operand
is an address, a vector takes as many places as it has entries. `Unary.at.sizes` is where the sizes of a `Unary` begin.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar, dataclass_transform, get_type_hints

from chainrule.engine.native.opcodes import KINDS, Kind, Opcode
from chainrule.engine.native.trace import Unsupported
from chainrule.engine.native.views import View

T = TypeVar("T", bound="type[Instruction]")
INSTRUCTIONS: dict[Opcode, type[Instruction]] = {}


class Reach(NamedTuple):
    """The elements of an operand that an instruction touches: loops over `sizes`, `steps` elements apart."""

    kind: Kind
    sizes: Sequence[int]
    steps: Sequence[int]


def vector(length: int) -> Any:
    """A field of several numbers."""
    return field(metadata={"length": length})


@dataclass_transform(frozen_default=True, field_specifiers=(vector,))
def instruction(opcode: Opcode) -> Callable[[T], T]:
    """Make a class the instruction of an opcode: its annotated fields are the layout."""

    def make(cls: T) -> T:
        made: Any = dataclass(frozen=True)(cls)
        places, end = {}, 2  # after the opcode and the length
        for own in fields(made):
            places[own.name] = end
            end += own.metadata.get("length", 1)
        made.opcode, made.length, made.layout = opcode, end, fields(made)
        made.at = namedtuple(f"{cls.__name__}At", places)(**places)
        made.types = get_type_hints(made)
        INSTRUCTIONS[opcode] = made
        return made

    return make


@dataclass(frozen=True)
class Instruction:
    """What all instructions do by their fields."""

    opcode: ClassVar[Opcode]
    length: ClassVar[int]  # in int64
    layout: ClassVar[Sequence[Field]]  # its fields in order
    at: ClassVar[Any]  # a named tuple: where each field begins
    types: ClassVar[Mapping[str, Any]]  # of the fields
    kinds: ClassVar[Sequence[Kind]] = tuple(Kind)  # that it is made for
    writes: ClassVar[Sequence[str]] = ("out",)

    def reach(self) -> dict[str, Reach]:
        """What of each operand it touches."""
        return self._reach()

    def operands(self) -> dict[str, View]:
        """Its operands by name."""
        return {name: value for name, value in self._items() if isinstance(value, View)}

    def encode(self) -> list[int | View]:
        """Its code, with operands where their addresses belong."""
        code: list[int | View] = [int(self.opcode), self.length]
        for _, value in self._items():
            if isinstance(value, tuple):
                code += value
            elif isinstance(value, str):
                code.append(self._function_number(value))
            else:
                code.append(value if isinstance(value, View) else int(value))
        return code

    def check(self) -> None:
        """Refuse fields that the loop could not run.

        Raises:
            Unsupported: naming the instruction, the field, what was expected and what came.
        """
        for own in self.layout:
            value, expected = getattr(self, own.name), self.types[own.name]
            if expected is View:
                fits, want = isinstance(value, View), "a view"
            elif expected is Kind:
                names = " or ".join(kind.name.lower() for kind in self.kinds)
                fits, want = isinstance(value, Kind) and value in self.kinds, names
            elif expected is str:
                fits, want = value in self._functions(), f"one of {', '.join(self._functions())}"
            elif length := own.metadata.get("length"):
                fits = (
                    isinstance(value, tuple)
                    and len(value) == length
                    and all(isinstance(n, int) for n in value)
                )
                want = f"{length} integers"
            else:
                fits, want = isinstance(value, int), "an integer"
            if not fits:
                self.refuse(own.name, want, value)
        for name, (kind, _, _) in self.reach().items():
            found = KINDS.get(getattr(self, name).dtype)
            if found != kind:
                self.refuse(name, f"elements of {kind.name.lower()}", getattr(self, name).dtype)

    def refuse(self, name: str, expected: str, found: object) -> None:
        """Say what is wrong with a field."""
        raise Unsupported(
            f"malformed instruction {type(self).__name__}: {name}: expected {expected}, got {found!r}"
        )

    def describe(self, buffer: Callable[[int], str]) -> str:
        """One line: opcode, kind and function, operands with buffers and shapes, then counts."""
        words = [self.opcode.name.lower()]
        for name, value in self._items():
            if isinstance(value, View):
                words.append(f"{name}={_shown(value, buffer)}")
            elif isinstance(value, Kind):
                words.append(value.name.lower())
            elif isinstance(value, str):
                words.append(value)
            elif not isinstance(value, tuple):  # the views show sizes and steps
                words.append(f"{name}={value}")
        return " ".join(words)

    def _reach(self) -> dict[str, Reach]:
        return {}

    def _functions(self) -> Sequence[str]:
        """The names of `function`, in the order of their numbers."""
        return ()

    def _function_number(self, function: str) -> int:
        return self._functions().index(function)

    def _items(self) -> list[tuple[str, Any]]:
        return [(own.name, getattr(self, own.name)) for own in self.layout]


def _shown(view: View, buffer: Callable[[int], str]) -> str:
    offset = f"+{view.offset}" if view.offset else ""
    strides = "" if view.contiguous else " step " + ",".join(map(str, view.strides))
    return f"{buffer(view.buffer)}{offset}[{'×'.join(map(str, view.shape))}{strides}]"
