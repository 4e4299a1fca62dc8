"""The scan: what a credit file must not know is found, whatever section it stands in."""

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from model.credit_file import CreditFile
from model.features import FEATURES
from model.portrait import portrait
from service import scan
from tests.test_identities import spoil

AS_OF = date(2019, 7, 14)


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (b'{"as_of":"2019-07-14","months":["2019-05","2019-06"]}', []),
        (b'{"filed":"2019-07-15"}', ["filed 2019-07-15, after 2019-07-14"]),
        (b'{"months":["2019-06","2019-07"]}', ["month 2019-07, not over on 2019-07-14"]),
        (b'{"valid_until":"2031-01-01","expires_on":"2025-01-01"}', []),
        (b'{"number":"2019-09-12-XYZ","name":"2021"}', []),
    ],
)
def test_days_and_months_after_the_application_are_found(stored: bytes, found: list[str]) -> None:
    assert scan.too_early(stored, AS_OF) == found


def test_the_month_that_ends_on_the_day_is_over() -> None:
    assert scan.too_early(b'["2019-07"]', date(2019, 7, 31)) == []


def test_a_world_has_no_leak_and_its_loans_are_portrayed(world: Path) -> None:
    found = scan.joined([scan.scan_chunk(world, at) for at in range(2)])
    asked = pq.read_table(world / "applications.parquet").to_pydict()
    assert found.files == len(asked["granted"])
    assert found.leaks == []
    assert len(found.defaulted) == sum(asked["granted"])
    files = pq.read_table(world / "credit_files.parquet").column("credit_file").to_pylist()
    first = asked["granted"].index(True)
    values = portrait(msgspec.json.decode(files[first], type=CreditFile))
    for at, feature in enumerate(FEATURES):
        if feature.kind == "number":
            np.testing.assert_equal(found.values[feature.name][0], float(str(values[at])))
    assert "sector" not in found.values
    assert scan.scan_chunk(world, 0, portrayed=False).defaulted.tolist() == []


def test_a_date_moved_after_the_application_is_told(world: Path, tmp_path: Path) -> None:
    def later(rows: object) -> object:
        stored = rows["credit_file"].iloc[2]  # type: ignore[index]
        file = msgspec.json.decode(stored)
        file["registry"]["changes"] = [{"on": "2030-01-01", "item": "name"}]
        rows["credit_file"] = [  # type: ignore[index]
            msgspec.json.encode(file) if at == 2 else one
            for at, one in enumerate(rows["credit_file"])  # type: ignore[index]
        ]
        return rows

    spoiled = spoil(world, tmp_path / "w", "credit_files", later)
    ids = pq.read_table(world / "credit_files.parquet").column("application_id").to_pylist()
    leaks = scan.scan_chunk(spoiled, 0).leaks
    assert {one.application_id for one in leaks} == {ids[2]}
    assert leaks[0].says.startswith("on 2030-01-01, after 2018-01")


def test_chunks_are_read_by_several_processes(world: Path) -> None:
    found = scan.joined(list(scan.scan(world, workers=1)))
    assert found.files == pq.ParquetFile(world / "applications.parquet").metadata.num_rows
