"""An atlas on disk: shards that are committed one by one, and how they are read again.

A shard is a batch of jobs of one layer and facet: a lossless sheet of pictures, and a JSON file of
rows about them. The rows are written last, so a shard whose rows are there is whole.
"""

import json
import urllib.parse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vizjax import files
from vizjax.errors import InputError
from vizjax.timing import timed


class Rows(NamedTuple):
    """What is known about the jobs of a shard, in the order of its sheet.

    Attributes:
        facet: of all of them.
        sheet: name of the file of pictures, beside the rows.
        columns: pictures in a row of the sheet; a job's pictures follow each other.
        units: channel numbers.
        score: the objective before the last step.
        final: the objective on the finished picture, without transforms.
        baseline: the objective on the starting picture, without transforms.
        status: ``"ok"``, ``"dead"`` or ``"diverged"``.
        attempts: how many runs it took.
    """

    facet: str
    sheet: str
    columns: int
    units: list[int]
    score: list[float | None]
    final: list[float | None]
    baseline: list[float | None]
    status: list[str]
    attempts: list[int]


def slug(layer: str) -> str:
    """A layer's folder: its name with everything but letters, digits, ``.``, ``_``, ``-`` encoded.

    Args:
        layer: any text.

    Returns:
        A name that is safe in any folder.

    Example:
        >>> slug("blocks.4"), slug("../x")
        ('blocks.4', '%2E.%2Fx')
    """
    encoded = urllib.parse.quote(layer, safe="").replace("~", "%7E")
    return "%2E" + encoded[1:] if encoded.startswith(".") else encoded


def folder(out: Path, layer: str) -> Path:
    """Where a layer's shards lie.

    Args:
        out: the atlas.
        layer: the layer's name.

    Returns:
        A path.

    Example:
        >>> folder(Path("atlas"), "blocks.4").as_posix()
        'atlas/layers/blocks.4'
    """
    return out / "layers" / slug(layer)


@timed("store")
def commit(out: Path, layer: str, rows: Rows, pictures: np.ndarray) -> None:
    """Writes a shard: its sheet, then its rows.

    Args:
        out: the atlas.
        layer: the layer's name.
        rows: about the jobs; their ``sheet`` names the file.
        pictures: (jobs · pictures of a job) h w 3, uint8.

    Raises:
        InputError: where a file cannot be written; then the shard counts as not rendered.
    """
    place = folder(out, layer)
    files.write(place / rows.sheet, files.encoded(files.sheet(pictures, rows.columns), "WEBP"))
    files.write((place / rows.sheet).with_suffix(".json"), json.dumps(rows._asdict()))


def read_rows(path: Path) -> Rows:
    """The rows of a committed shard.

    Args:
        path: its JSON file.

    Returns:
        The rows.

    Raises:
        InputError: where the file is broken, or its sheet is not there.
    """
    try:
        rows = Rows(**json.loads(path.read_bytes()))
        lists = [x for x in rows if isinstance(x, list)]
        whole = len({len(x) for x in lists}) == 1 and all(isinstance(u, int) for u in rows.units)
        if not whole or len(lists) != 6 or Path(rows.sheet).name != rows.sheet:
            raise ValueError("its columns do not fit together")
        if not (path.parent / rows.sheet).is_file():
            raise ValueError(f"its sheet {rows.sheet} is missing")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: this shard of the atlas is broken ({error}); delete it, and `vizjax atlas` with the"
            f" same arguments renders it again"
        ) from error
    return rows


def committed(out: Path, layer: str, skip_broken: bool = False) -> list[Rows]:
    """All rows of a layer.

    Args:
        out: the atlas.
        layer: the layer's name.
        skip_broken: leave broken shards out, as if they were not rendered yet.

    Returns:
        The rows of every shard, ordered by facet and first unit.

    Raises:
        InputError: at a broken shard, unless those are skipped.
    """
    found = []
    for path in sorted(folder(out, layer).glob("*.json")):
        try:
            found.append(read_rows(path))
        except InputError:
            if not skip_broken:
                raise
    return found
