"""The small language of policy conditions, compiled once into plain Python functions.

A condition compares facts of an application: `tax_arrears_yuan > 0`, `tax_rating in ("C", "D")`,
`between(pd_12m, 0.06, 0.12)`, `missing(tax_rating)`, joined by and, or, not. Numbers may be scaled:
`amount_yuan > 0.5 * sales_12m_yuan`. Nothing else is allowed: no attribute, no call, no index.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

Type = Literal["number", "category"]
Facts = Sequence[Any]


class ExpressionError(ValueError):
    """A condition that cannot be compiled; says what was found and what is allowed."""


class Condition(Struct, frozen=True):
    """A compiled condition.

    `test(facts)` is True or False, or None when a fact it needs is missing; `tree` is the same as
    an expression over `v`, the facts.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr
    test: Callable[[Facts], bool | None]


_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ALLOWED = (
    "comparisons, between(x, low, high), x in (...), and, or, not, missing(x), number * number"
)


def compile_condition(text: str, index: Mapping[str, int], types: Mapping[str, Type]) -> Condition:
    """Compile one condition over facts at the positions of `index`.

    Raises ExpressionError when a name is unknown, types do not fit, or a form is not allowed.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"{text!r}: {error.msg}; allowed are {_ALLOWED}") from None
    compiler = _Compiler(text, index, types)
    kind, body = compiler.visit(tree)
    if kind != "verdict":
        raise ExpressionError(f"{text!r}: is a {kind}, expected a condition")
    needed = tuple(dict.fromkeys(compiler.needed))
    absent: list[ast.expr] = [_is_missing(index[name], types[name]) for name in needed]
    value: ast.expr = body
    if absent:
        value = ast.IfExp(
            test=ast.BoolOp(op=ast.Or(), values=[*absent, ast.Constant(False)]),
            body=ast.Constant(None),
            orelse=body,
        )
    names = tuple(dict.fromkeys([*compiler.needed, *compiler.asked]))
    return Condition(text, names, value, _function(value))


def all_at_once(conditions: Sequence[Condition]) -> Callable[[Facts], tuple[bool | None, ...]]:
    """One function that tests all conditions; much quicker than one call each."""
    return _function(ast.Tuple([condition.tree for condition in conditions], ast.Load()))


def _function(value: ast.expr) -> Callable[[Facts], Any]:
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("v")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, value)))
    made: Callable[[Facts], Any] = eval(compile(function, "<policy>", "eval"), {"__builtins__": {}})
    return made


def _fact(at: int) -> ast.expr:
    return ast.Subscript(ast.Name("v", ast.Load()), ast.Constant(at), ast.Load())


def _is_missing(at: int, kind: Type) -> ast.expr:
    if kind == "category":
        return ast.Compare(_fact(at), [ast.Is()], [ast.Constant(None)])
    return ast.Compare(_fact(at), [ast.NotEq()], [_fact(at)])


class _Compiler:
    """Turns the allowed forms into Python expressions and refuses all others."""

    def __init__(self, text: str, index: Mapping[str, int], types: Mapping[str, Type]) -> None:
        self.text, self.index, self.types = text, index, types
        self.needed: list[str] = []
        self.asked: list[str] = []

    def visit(self, node: ast.expr) -> tuple[str, ast.expr]:
        """The node's type (number, category or verdict) and its Python expression."""
        match node:
            case ast.BoolOp(op=op, values=values):
                return "verdict", ast.BoolOp(op, [self._want(v, "verdict") for v in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return "verdict", ast.UnaryOp(ast.Not(), self._want(operand, "verdict"))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return "number", ast.UnaryOp(ast.USub(), self._want(operand, "number"))
            case ast.BinOp(left=left, op=ast.Mult() as op, right=right):
                sides = self._want(left, "number"), self._want(right, "number")
                return "number", ast.BinOp(sides[0], op, sides[1])
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return "verdict", self._compare(left, op, right)
            case ast.Call(func=ast.Name(id="missing"), args=[ast.Name(id=name)], keywords=[]):
                self._known(name)
                self.asked.append(name)
                return "verdict", _is_missing(self.index[name], self.types[name])
            case ast.Call(func=ast.Name(id="between"), args=[x, low, high], keywords=[]):
                parts = [self._want(part, "number") for part in (low, x, high)]
                ops: list[ast.cmpop] = [ast.LtE(), ast.LtE()]
                return "verdict", ast.Compare(parts[0], ops, parts[1:])
            case ast.Name(id=name):
                self._known(name)
                self.needed.append(name)
                return self.types[name], _fact(self.index[name])
            case ast.Constant(value=bool()):
                raise self._refused(node)
            case ast.Constant(value=int() | float()):
                return "number", node
            case ast.Constant(value=str()):
                return "category", node
        raise self._refused(node)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        kind, own = self.visit(left)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List) or not right.elts:
                raise self._refused(right)
            members = [self._want(member, kind) for member in right.elts]
            return ast.Compare(own, [op], [ast.Tuple(members, ast.Load())])
        if not isinstance(op, _COMPARISONS):
            raise self._refused(left)
        if kind == "category" and not isinstance(op, ast.Eq | ast.NotEq):
            raise ExpressionError(
                f"{self.text!r}: categories have no order here; use == or in (...)"
            )
        return ast.Compare(own, [op], [self._want(right, kind)])

    def _want(self, node: ast.expr, kind: str) -> ast.expr:
        found, expression = self.visit(node)
        if found != kind:
            raise ExpressionError(
                f"{self.text!r}: {ast.unparse(node)} is a {found}, expected a {kind}"
            )
        return expression

    def _known(self, name: str) -> None:
        if name not in self.index:
            raise ExpressionError(
                f"{self.text!r}: {name!r} is not a fact of an application; expected a feature of "
                "model/features.py, or amount_yuan, tenor_months, purpose, pd_12m, score"
            )

    def _refused(self, node: ast.expr) -> ExpressionError:
        return ExpressionError(
            f"{self.text!r}: {ast.unparse(node)!r} is not allowed; allowed are {_ALLOWED}"
        )
