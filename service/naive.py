"""The baseline: what tutorials teach about serving a scikit-learn pipeline, measured beside ours.

FastAPI with a pydantic parameter, one `pandas.DataFrame([x])` per request, a joblib pipeline's
`predict_proba`, a dict back; nothing is stored, unless asked. Fair: same machine, same run, one
uvicorn worker, `async def` (it beat `def`), OpenMP threads left as they come. On a busy machine
those spin against each other and throughput can collapse a hundredfold; with one thread it is as
quick and steady.
Nothing that serves decisions imports this file.
"""

import argparse
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from msgspec import json
from pydantic import BaseModel, create_model
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS, TREES, SEED = 5_000, 200, 7
NUMBERS = [f"number_{i}" for i in range(30)]
LETTERS = [f"letter_{i}" for i in range(10)]
Flat = dict[str, float | str]


def table() -> tuple[pd.DataFrame, Any]:
    """A made-up flat table, 5,000 rows x 40 columns (10 of them letters), and its 0/1 target."""
    values, target = make_classification(
        n_samples=ROWS, n_features=len(NUMBERS) + len(LETTERS), n_informative=20, random_state=SEED
    )
    frame = pd.DataFrame(values, columns=[*NUMBERS, *LETTERS])
    for column in LETTERS:
        frame[column] = pd.qcut(frame[column], 5, labels=list("abcde")).astype(str)
    return frame, target


def fit(path: Path, trees: int = TREES) -> None:
    """Train the pipeline on the made-up table (no early stop: all trees) and write it by joblib."""
    frame, target = table()
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("letters", OneHotEncoder(handle_unknown="ignore", sparse_output=False), LETTERS),
        ]
    )
    boosting = HistGradientBoostingClassifier(
        max_iter=trees, early_stopping=False, random_state=SEED
    )
    joblib.dump(Pipeline([("columns", columns), ("trees", boosting)]).fit(frame, target), path)


def example() -> Flat:
    """One flat application, ready to be posted."""
    first = table()[0].iloc[0]
    return {name: first[name].item() for name in NUMBERS} | {name: first[name] for name in LETTERS}


def predict_once(pipeline: Any) -> tuple[Callable[[], float], Callable[[], float]]:
    """Two calls that score the example: from a ready DataFrame, and from a dict as it arrives."""
    flat = example()
    frame = pd.DataFrame([flat])

    def from_frame() -> float:
        return float(pipeline.predict_proba(frame)[0, 1])

    def from_dict() -> float:
        return float(pipeline.predict_proba(pd.DataFrame([flat]))[0, 1])

    return from_frame, from_dict


def create_app(pipeline: Any, store: Path | None = None) -> FastAPI:
    """The tutorial's service: POST /predict takes 40 flat fields and answers a dict.

    With `store`, what came and what was answered is committed to an SQLite file, one by one.
    """
    database = None if store is None else sqlite3.connect(store)
    if database is not None:
        database.execute("CREATE TABLE IF NOT EXISTS answer (applicant TEXT, pd_12m REAL)")
    fields: dict[str, Any] = dict.fromkeys(NUMBERS, (float, ...)) | dict.fromkeys(
        LETTERS, (str, ...)
    )
    applicant: type[BaseModel] = create_model("Applicant", **fields)
    app = FastAPI()

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    async def predict(x: BaseModel) -> dict[str, float | bool]:
        pd_12m = float(pipeline.predict_proba(pd.DataFrame([x.model_dump()]))[0, 1])
        if database is not None:
            database.execute("INSERT INTO answer VALUES (?, ?)", (x.model_dump_json(), pd_12m))
            database.commit()
        return {"pd_12m": pd_12m, "approved": pd_12m < 0.5}

    predict.__annotations__["x"] = applicant
    app.post("/predict")(predict)
    return app


def main() -> None:
    """`--fit`, `--time SECONDS` or `--port PORT`, all with `--pipeline FILE` (only your own)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, required=True)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--fit", action="store_true", help="train it; print an example body")
    act.add_argument("--time", type=float, help="seconds for each of the two timings")
    act.add_argument("--port", type=int, help="serve it on this port")
    parser.add_argument("--store", type=Path, help="SQLite file to commit every answer to")
    given = parser.parse_args()
    if given.fit:
        fit(given.pipeline)
        sys.stdout.buffer.write(json.encode(example()))
        return
    pipeline = joblib.load(given.pipeline)
    if given.time is not None:
        from service.bench import time_calls

        timings = [time_calls(call, given.time) for call in predict_once(pipeline)]
        sys.stdout.buffer.write(json.encode(timings))
    else:
        uvicorn.run(create_app(pipeline, given.store), port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
