"""A Scapy expression → bytes: parsed, whitelisted and computed here, never given to `eval`.

It may say: layers with their fields and `/` between them; numbers, texts, bytes, lists and tuples; - ~ and
* + - | & ^ << >>; bytes(x), raw(x), bytes.fromhex(".."); packet[Layer], bytes[a:b]; and the names of the
suite's variables, packets and headers. Everything is measured before it is made.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from bpftest.errors import SuiteError
from bpftest.packets import layers, making
from bpftest.packets.accepted import ascii_only
from bpftest.packets.arithmetic import BITS_MAX, SIZE_MAX, combined, kind
from bpftest.packets.headers import header
from bpftest.packets.making import is_layer
from bpftest.packets.parsing import parsed, span
from bpftest.packets.sealed import sealed
from bpftest.packets.shapes import shape
from bpftest.wording import meant

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

    from bpftest.packets.sources import Scope

DEPTH_MAX = 100  # parts inside each other
NESTED_MAX = 8  # as field values inside each other: Scapy builds each several times to know its length
MEASURING = frozenset(("Dot3", "EAPOL", "EAPOL_KEY"))  # build their payload twice: n of them, 2**n times
MEASURING_MAX = 8
WORK_MAX = 20_000  # parts, those of named packets counted every time
MADE_MAX = 4 << 20  # bytes, in all intermediate values together

RANDOM = "a test needs the same packet every time: write the value"
STRANGERS = {  # of Scapy, and why they are not here
    **dict.fromkeys(("Net", "Net6"), "several addresses are rows of a table (`rows:`)"),
    **dict.fromkeys(("RandByte", "RandInt", "RandIP", "RandIP6", "RandLong", "RandMAC", "RandNum"), RANDOM),
    **dict.fromkeys(("RandShort", "RandString", "fuzz"), RANDOM),
    "RawVal": 'write the bytes: Raw(b"...")',
    "NTP": 'its default is the time of day: write the bytes, Raw(b"...")',
}
REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute",
    ast.BoolOp: "and, or",
    ast.Compare: "a comparison",
    ast.Dict: "a dict",
    ast.IfExp: "if",
    ast.JoinedStr: "an f-string",
    ast.Lambda: "a lambda",
    ast.NamedExpr: ":=",
    ast.Set: "a set",
    ast.Starred: "*",
    **dict.fromkeys((ast.DictComp, ast.GeneratorExp, ast.ListComp, ast.SetComp), "a comprehension"),
}
CALLS = "only layers, bytes(), raw() and bytes.fromhex() can be called"


def built(text: str, scope: Scope, change: Callable[[Layer], None] | None = None) -> tuple[bytes, str, tuple[str, ...]]:
    """(bytes, link, chain) of the expression *text*, as sources.Packet has them.

    *change* is called with the layers, if it is no bytes, before these are made of them. Raises SuiteError with a span
    inside *text*.
    """
    tree = parsed(text)
    _load(tree, scope)
    with sealed() as warned:
        expression = _Expression(text, scope, _Work(), ())
        made = expression.value(tree)
        if change is not None and is_layer(made):
            change(made)
        data = expression.data(tree, made)
    if warned:
        raise SuiteError(f"Scapy warns: {warned[0]}", span=span(text, tree))
    chain = tuple(type(one).__name__ for one in made.iterpayloads()) if scope.headers and is_layer(made) else ()
    return data, layers.link(type(made).__name__), chain if scope.headers.keys() & set(chain) else ()


def _load(tree: ast.expr, scope: Scope) -> None:
    """Import the layers that *tree* can need: inside the seal it would be too late."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    read = {node.func.id for node in called if isinstance(node.func, ast.Name)} - {"Raw", "Padding"}
    if read & layers.LAYERS.keys() or names & scope.packets.keys() or names & layers.BEYOND_CORE:
        layers.load_all()
    else:
        layers.load_core()


class _Work:
    """What an expression has cost so far."""

    def __init__(self) -> None:
        self.parts = 0
        self.depth = 0
        self.made = 0  # bytes
        self.nested = 0  # layers that are being written as field values
        self.measuring = 0  # layers of MEASURING


class _Expression:
    """One text that is being computed; *within*: the named packets on whose way it is."""

    def __init__(self, text: str, scope: Scope, work: _Work, within: tuple[str, ...]) -> None:
        self.text = text
        self.scope = scope
        self.work = work
        self.within = within

    def wrong(self, node: ast.AST, what: str, hint: str = "") -> NoReturn:
        raise SuiteError(what, hint, span=span(self.text, node))

    def placed(self, node: ast.AST, compute: Callable[..., Any], /, *values: Any, **fields: Any) -> Any:
        """compute(*values, **fields); its SuiteError gets the place of *node*, and so does an error of Scapy's."""
        try:
            return compute(*values, **fields)
        except SuiteError as error:
            if error.span is None:
                error.span = span(self.text, node)
            raise
        except (MemoryError, layers.Unloaded):
            raise
        except Exception as error:  # Scapy raises whatever it stumbles over
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise SuiteError(f"Scapy refuses this: {reason}", span=span(self.text, node)) from error

    def value(self, node: ast.expr) -> Any:
        """A number, text, bytes, list, tuple, None, or a layer with its payload."""
        work = self.work
        work.parts += 1
        work.depth += 1
        if work.parts > WORK_MAX or work.depth > DEPTH_MAX:
            self.wrong(node, f"the expression has more than {WORK_MAX} parts, or {DEPTH_MAX} inside each other")
        compute = VALUES.get(type(node))
        if compute is None:
            self.wrong(node, f"{REFUSED.get(type(node), 'this')} cannot be used in a packet expression")
        made = compute(self, node)
        work.depth -= 1
        if isinstance(made, (str, bytes, list, tuple)):
            work.made += len(made)
            if work.made > MADE_MAX:
                self.wrong(node, f"the expression makes more than {MADE_MAX} bytes on the way")
        return made

    def data(self, node: ast.AST, made: Any) -> bytes:
        """The bytes of *made*, a layer or bytes."""
        if not is_layer(made) and not isinstance(made, bytes):
            self.wrong(node, f"this is {kind(made)}, not a packet", "such as Ether()/IP()/UDP()")
        data: bytes = self.placed(node, bytes, made)
        if len(data) > SIZE_MAX:
            self.wrong(node, f"the packet has {len(data)} bytes, {SIZE_MAX} are allowed")
        return data

    def constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, str):
            self.placed(node, ascii_only, value)
        elif isinstance(value, int) and value.bit_length() > BITS_MAX:
            self.wrong(node, f"numbers have at most {BITS_MAX} bits")
        elif value is not None and not isinstance(value, (int, float, bytes)):
            self.wrong(node, f"{value!r} cannot be used in a packet expression")
        return value

    def sequence(self, node: ast.List | ast.Tuple) -> Any:
        items = [self.value(one) for one in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)

    def unary(self, node: ast.UnaryOp) -> int:
        value = self.value(node.operand)
        if not isinstance(value, int) or not isinstance(node.op, (ast.USub, ast.Invert)):
            self.wrong(node, f"only - and ~ of a number can be used, this is {kind(value)}")
        return -value if isinstance(node.op, ast.USub) else ~value

    def binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Div):
            return self.placed(node, making.stacked, left, right)
        return self.placed(node, combined, node.op, left, right)

    def subscript(self, node: ast.Subscript) -> Any:
        value = self.value(node.value)
        if is_layer(value):
            return self.sub_layer(node, value)
        if not isinstance(value, (bytes, str)) or not isinstance(node.slice, ast.Slice):
            self.wrong(node, f"[ ] is for packet[Layer] and bytes[from:to], this is {kind(value)}")
        start, end = (None if one is None else self.value(one) for one in (node.slice.lower, node.slice.upper))
        if node.slice.step is not None or not all(one is None or isinstance(one, int) for one in (start, end)):
            self.wrong(node, "a part of bytes is written [from:to], with numbers")
        return value[start:end]

    def sub_layer(self, node: ast.Subscript, packet: Layer) -> Any:
        """packet[IP], or packet[IP:2], the second."""
        wanted: Any = node.slice
        nth = 1
        if isinstance(wanted, ast.Slice) and isinstance(wanted.upper, ast.Constant):
            wanted, nth = wanted.lower, wanted.upper.value
        if not isinstance(wanted, ast.Name) or not isinstance(nth, int):
            self.wrong(node, "a part of a packet is packet[Layer]", "for bytes write bytes(packet)[from:to]")
        found = packet.getlayer(self.layer(wanted), nth)
        if found is None:
            self.wrong(wanted, f"the packet has no such layer: {making.names(packet)}")
        return found

    def call(self, node: ast.Call) -> Any:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "fromhex":
            function = function.value
            if isinstance(function, ast.Name) and function.id == "bytes":
                return self.from_hex(node)
        if not isinstance(function, ast.Name) or function is not node.func:
            self.wrong(node.func, CALLS)
        if function.id in ("bytes", "raw"):
            return self.to_bytes(node)
        return self.made_layer(node, self.layer(function))

    def only_argument(self, node: ast.Call) -> Any:
        if len(node.args) != 1 or node.keywords:
            self.wrong(node, "this takes one value")
        return self.value(node.args[0])

    def from_hex(self, node: ast.Call) -> bytes:
        text = self.only_argument(node)
        try:
            return bytes.fromhex(text)
        except (TypeError, ValueError):
            self.wrong(node.args[0], "this is not hex", 'such as bytes.fromhex("0800 45")')

    def to_bytes(self, node: ast.Call) -> bytes:
        """bytes(layer), bytes(number of zeros), bytes([1, 2, 3])."""
        value = self.only_argument(node)
        if is_layer(value) or isinstance(value, bytes):
            return self.data(node, value)
        if isinstance(value, int) and not 0 <= value <= SIZE_MAX:
            self.wrong(node, f"this would be {value} bytes long, {SIZE_MAX} are allowed")
        numbers = value if isinstance(value, (list, tuple)) else ()
        are_bytes = all(isinstance(one, int) and 0 <= one <= 255 for one in numbers)
        if not are_bytes or not isinstance(value, (int, list, tuple)):
            self.wrong(node, "bytes() takes a layer, a size or a list of numbers from 0 to 255")
        return bytes(value)

    def layer(self, node: ast.Name) -> Any:
        """The layer class that *node* names."""
        name = node.id
        if name in self.scope.headers:
            return self.placed(node, header, name, self.scope.headers[name])
        if name not in layers.LAYERS:
            self.wrong(node, f"there is no layer {name}", _hint(name, {*layers.LAYERS, *self.scope.headers}))
        return self.placed(node, layers.layer, name)

    def made_layer(self, node: ast.Call, cls: type[Layer]) -> Any:
        self.work.nested += 1
        if self.work.nested > NESTED_MAX:
            self.wrong(node, f"layers are fields of each other more than {NESTED_MAX} deep")
        self.work.measuring += cls.__name__ in MEASURING
        if self.work.measuring > MEASURING_MAX:
            self.wrong(node, f"the expression has more than {MEASURING_MAX} layers such as {cls.__name__}")
        made = self.from_argument(node, cls) if node.args else self.from_fields(node, cls)
        self.work.nested -= 1
        return made

    def from_argument(self, node: ast.Call, cls: type[Layer]) -> Any:
        """Raw(b".."), Raw("text"), or any layer from its bytes."""
        if len(node.args) > 1 or node.keywords:
            self.wrong(node, f"{cls.__name__} takes either bytes or fields")
        argument = node.args[0]
        value = self.value(argument)
        if cls.__name__ in ("Raw", "Padding"):
            return making.made(cls, load=self.placed(argument, shape(cls).accepts["load"], value))
        if not isinstance(value, bytes):
            self.wrong(argument, f"{cls.__name__} takes fields, or bytes to read", f"such as {cls.__name__}(field=..)")
        return self.placed(node, making.read, cls, value)

    def from_fields(self, node: ast.Call, cls: type[Layer]) -> Any:
        layout = shape(cls)
        given = self.fields(node, cls)
        late: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for name, argument in given.items():
            value = self.value(argument)
            if value is None and name in layout.computed:
                continue
            if name in layout.late:
                late[name] = value
            else:
                plain[name] = self.placed(argument, layout.accepts[name], value)
        made = self.placed(node, making.made, cls, **plain)
        for name in layout.accepts:
            if name in late:
                self.placed(given[name], making.set_late, made, name, late[name])
        self.placed(node, making.refuse_random, made, given)
        self.placed(node, making.refuse_overflow, made)
        return made

    def fields(self, node: ast.Call, cls: type[Layer]) -> dict[str, ast.expr]:
        """The fields that are given, all of them known and once."""
        accepts = shape(cls).accepts
        given: dict[str, ast.expr] = {}
        for one in node.keywords:
            if one.arg is None:
                self.wrong(one.value, "** cannot be used in a packet expression")
            if one.arg not in accepts:
                close = meant(one.arg, accepts) or cls.deprecated_fields.get(one.arg, ("",))[0]
                hint = f"did you mean {close}?" if close else f"its fields: {', '.join(accepts) or 'none'}"
                self.wrong(one, f"{cls.__name__} has no field {one.arg}", hint)
            if one.arg in given:
                self.wrong(one, f"{cls.__name__}.{one.arg} is given twice")
            given[one.arg] = one.value
        return given

    def name(self, node: ast.Name) -> Any:
        name = node.id
        if name in self.scope.packets:
            return self.named_packet(node)
        if name not in self.scope.variables:
            if name in layers.LAYERS or name in self.scope.headers:
                self.wrong(node, f"{name} is a layer", f"write {name}()")
            known = {*self.scope.packets, *self.scope.variables, *layers.LAYERS}
            self.wrong(node, f"there is nothing called {name}", _hint(name, known))
        value = self.scope.variables[name]
        if not _is_plain(value):
            self.wrong(node, f"variable {name} is {kind(value)}", "text, a number or a list can be used here")
        if isinstance(value, str):
            self.placed(node, ascii_only, value)
        return value

    def named_packet(self, node: ast.Name) -> Any:
        """The layers of another packet of the suite, or its bytes."""
        from bpftest.packets.sources import expression_text

        name = node.id
        if name in self.within:
            self.wrong(node, f"packet {name} is made of itself: {' → '.join((*self.within, name))}")
        source = self.scope.packets[name]
        text = expression_text(source)
        try:
            if text is None:
                return self.content(name)
            return _Expression(text, self.scope, self.work, (*self.within, name)).value(parsed(text))
        except SuiteError as error:
            if self.within:
                raise  # the outermost name is the one that stands in the text
            self.wrong(node, f"packet {name}: {error.what}", error.hint)

    def content(self, name: str) -> bytes:
        """The bytes of a packet that is no expression. Raises SuiteError."""
        from bpftest.packets.sources import packet

        known = self.scope.contents.get(name)
        if known is None:
            return packet(self.scope.packets[name], self.scope).data
        if isinstance(known, bytes):
            return known
        raise SuiteError(*known)


VALUES: dict[type[ast.AST], Callable[[_Expression, Any], Any]] = {
    ast.BinOp: _Expression.binary,
    ast.Call: _Expression.call,
    ast.Constant: _Expression.constant,
    ast.List: _Expression.sequence,
    ast.Name: _Expression.name,
    ast.Subscript: _Expression.subscript,
    ast.Tuple: _Expression.sequence,
    ast.UnaryOp: _Expression.unary,
}


def _hint(name: str, known: Collection[str]) -> str:
    """What to write instead of the unknown *name*."""
    close = meant(name, known)
    return STRANGERS.get(name) or (f"did you mean {close}?" if close else "")


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str, bytes))
