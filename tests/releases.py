"""What earlier releases left behind."""

import zipfile
from pathlib import Path

from service.chain import Head

FIRST_RELEASE = Path(__file__).parent / "fixtures" / "ledger-0.1.0.zip"
"""Three stories as release 0.1.0 recorded them, with the desk's file and the versions."""
ITS_HEAD = Head(1, 3, "512a87e9d963faf661d7e2060bf8339158243ccca40143b1145e1e3e353b6f75")


def first_release(folder: Path) -> str:
    """The URL of a ledger that release 0.1.0 wrote, in a folder."""
    with zipfile.ZipFile(FIRST_RELEASE) as packed:
        packed.extractall(folder)
    return f"sqlite:///{folder / 'ledger.db'}"
