import msgspec

from service.problem import FieldError, Problem


def test_a_problem_says_kind_status_detail_and_fields() -> None:
    error = FieldError(field="application.amount_yuan", value=-5, expected=">= 1000")
    problem = Problem("invalid-field", 422, "a sentence", [error])
    document = msgspec.json.decode(problem.body())
    assert document == {
        "type": "urn:yidaitong:problem:invalid-field",
        "title": "Invalid field",
        "status": 422,
        "detail": "a sentence",
        "errors": [{"field": "application.amount_yuan", "value": -5, "expected": ">= 1000"}],
    }
