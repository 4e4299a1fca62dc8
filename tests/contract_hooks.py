"""What schemathesis cannot guess: numbers on record, and credit files whose parts fit together.

Loaded by schemathesis itself, see tests/contracts.py. Only what was generated as valid is touched,
and what it becomes is valid, too. One of four cases is left as it came.
"""

import copy
import os
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import schemathesis
from schemathesis.core.parameters import ParameterLocation as At

KNOWN: dict[str, Any] = msgspec.json.decode(Path(os.environ["CONTRACT_KNOWN"]).read_bytes())
"""`paths`: values of path parameters on record; `request`: a whole one; `evidence`: a hash."""
DATES = {"granted": "2020-04-15", "expires": "2035-01-01"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Lead three of four cases past the first 404 or 422."""
    drawn = crc32(repr((case.path_parameters, case.body)).encode("utf-8", "replace"))
    if drawn % 4 == 0 or case.meta is None:
        return
    parts = case.meta.components
    if At.PATH in parts and parts[At.PATH].mode.is_positive:
        for name in case.path_parameters.keys() & KNOWN["paths"].keys():
            choices = KNOWN["paths"][name]
            case.path_parameters[name] = choices[drawn % len(choices)]
    if At.BODY in parts and parts[At.BODY].mode.is_positive and isinstance(case.body, dict):
        case.body = fitting(case.body)


def fitting(body: dict[str, Any]) -> dict[str, Any]:
    """A body as generated, with the parts that must agree with others or with today replaced."""
    body = copy.deepcopy(body)
    if "credit_file" in body:
        body["credit_file"] = _credit_file(body["credit_file"])
    if isinstance(body.get("application"), dict):
        kept = {name: body["application"][name] for name in ("amount_yuan", "tenor_months")}
        body["application"] = KNOWN["request"]["application"] | kept
    firm = KNOWN["request"]["application"]["applicant"]
    for name in body.keys() & {"applicant", "subject"}:
        body[name] = firm
    if "said" in body and isinstance(body["said"], str):
        body["said"] += " said at some length"
    if "evidence_sha256" in body:
        body |= DATES
    if isinstance(body.get("consent"), dict):
        dates = DATES if "expires" in body["consent"] else {"granted": DATES["granted"]}
        body["consent"] |= dates
    elif isinstance(body.get("consent"), str):
        body["consent"] = KNOWN["paths"]["consent_id"][0]
    return body


def _credit_file(generated: dict[str, Any]) -> dict[str, Any]:
    """The credit file on record, with the numbers and the absent sections of the generated one."""
    whole: dict[str, Any] = copy.deepcopy(KNOWN["request"]["credit_file"])
    for source, section in generated.items():
        kept = whole.get(source)
        if section is None:
            whole[source] = None
        elif isinstance(section, dict) and kept is not None:
            kept |= {
                name: value
                for name, value in section.items()
                if isinstance(value, int | float) and isinstance(kept.get(name), int | float)
            }
    return whole
