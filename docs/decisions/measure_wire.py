"""msgspec against pydantic v2 on the real credit file: decode with validation, and encode."""

import platform
import sys
import timeit
from importlib.metadata import version
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from model.credit_file import CreditFile
from synthetic_data.stories import application


def pydantic_twin(struct: type[msgspec.Struct], made: dict[Any, Any]) -> Any:
    """The same record as a strict pydantic class, bounds included."""
    if struct not in made:
        fields: dict[str, Any] = {}
        hints = get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            default = field.default if field.default is not msgspec.NODEFAULT else ...
            if field.default_factory is not msgspec.NODEFAULT:
                default = Field(default_factory=field.default_factory)
            fields[field.name] = (translated(hints[field.name], made), default)
        config = ConfigDict(extra="forbid", frozen=True)
        made[struct] = create_model(struct.__name__, __config__=config, **fields)
    return made[struct]


def translated(kind: Any, made: dict[Any, Any]) -> Any:
    """A type annotation with msgspec bounds said in pydantic's words."""
    origin, parts = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return pydantic_twin(kind, made)
    if origin is Annotated:
        names = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
        bounds = {n: v for meta in parts[1:] for n in names if (v := getattr(meta, n)) is not None}
        return Annotated[translated(parts[0], made), Field(**bounds)]
    if origin is list:
        return list[translated(parts[0], made)]  # type: ignore[misc]
    if parts and origin is not None and type(None) in parts:
        return translated(parts[0], made) | None
    return kind


def us(call: Any) -> float:
    """Microseconds a call, best of five."""
    return min(timeit.repeat(call, number=2_000, repeat=5)) / 2_000 * 1e6


body = msgspec.json.encode(application("young-shop")["credit_file"])
twin: type[BaseModel] = pydantic_twin(CreditFile, {})
adapter = TypeAdapter(twin)
decode, validate = msgspec.json.Decoder(CreditFile).decode, adapter.validate_json
struct, record = decode(body), validate(body)
rows = [
    ("decode and validate", us(lambda: decode(body)), us(lambda: validate(body))),
    ("encode", us(lambda: msgspec.json.encode(struct)), us(lambda: adapter.dump_json(record))),
]
sys.stdout.write(
    f"Python {platform.python_version()}, msgspec {version('msgspec')}, "
    f"pydantic {version('pydantic')}, {len(body)} bytes\n"
)
for name, ours, theirs in rows:
    sys.stdout.write(
        f"{name:20} msgspec {ours:6.1f}  pydantic {theirs:6.1f}  ratio {theirs / ours:.1f}\n"
    )
