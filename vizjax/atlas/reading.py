"""An atlas opened: its layers as arrays, its table, and single pictures taken out of it."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vizjax import files
from vizjax.atlas import manifest as manifests
from vizjax.atlas.store import committed, folder, slug
from vizjax.errors import InputError, spelled, unknown


class Layer:
    """The finished units of a layer; made by ``atlas["name"]``.

    Attributes:
        name: the layer's.
        facets: a label for each picture of a unit, such as ``("positive", "diverse 1", …)``.
        units: channel numbers in order, of the units that have all facets.
        names: of these units, where they are classes; "" for a unit that has none.
        scores, final, baseline, status, attempts: arrays ``units facets``.
    """

    def __init__(
        self, out: Path, name: str, facets: dict[str, int], size: Sequence[int], names: dict[int, str]
    ):
        self.name, self._folder, self._size = name, folder(out, name), tuple(size)
        self._jobs = {
            (rows.facet, unit): (rows, i)
            for rows in committed(out, name)
            for i, unit in enumerate(rows.units)
        }
        whole = (self._units_of(facet) for facet in facets)
        self.units = np.array(sorted(set.intersection(*whole)), int)
        self.names = tuple(names.get(int(unit), "") for unit in self.units)
        self._pictures = [(facet, n, i) for facet, n in facets.items() for i in range(n)]
        self.facets = tuple(f"{facet} {i + 1}" if n > 1 else facet for facet, n, i in self._pictures)
        self.scores, self.final, self.baseline, self.status, self.attempts = (
            self._column(field) for field in ("score", "final", "baseline", "status", "attempts")
        )

    def _units_of(self, facet: str) -> set[int]:
        return {unit for f, unit in self._jobs if f == facet}

    def _column(self, field: str) -> np.ndarray:
        kind = {"status": str, "attempts": int}.get(field, float)
        jobs = ((self._jobs[facet, unit] for facet, _, _ in self._pictures) for unit in self.units)
        values = [[getattr(rows, field)[i] for rows, i in row] for row in jobs]
        return np.array(values, kind).reshape(len(self.units), len(self.facets))

    @cached_property
    def images(self) -> np.ndarray:
        """The pictures, ``units facets h w c``, uint8; all sheets are read at once."""
        found = np.zeros((len(self.units), len(self.facets), *self._size, 3), np.uint8)
        for u, unit in enumerate(self.units):
            found[u] = self.pictures(int(unit))
        return found

    def pictures(self, unit: int) -> np.ndarray:
        """The pictures of one unit.

        Args:
            unit: a channel number.

        Returns:
            ``facets h w c``, uint8.

        Raises:
            InputError: where the unit is not in the atlas, or its sheet is broken.
        """
        if unit not in self.units:
            raise InputError(
                f"unit {unit} of layer {self.name!r} is not in the atlas;"
                f" it has {spelled(self.units.tolist())}"
            )
        h, w = self._size
        found = []
        for facet, n, i in self._pictures:
            rows, job = self._jobs[facet, unit]
            row, column = divmod(job * n + i, rows.columns)
            found.append(self._sheet(rows.sheet)[row * h : row * h + h, column * w : column * w + w])
        return np.stack(found)

    def _sheet(self, name: str) -> np.ndarray:
        path = self._folder / name
        try:
            return _decoded(path, path.stat().st_mtime_ns)
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(
                f"{path}: this sheet of the atlas is broken ({error}); delete it, and"
                f" `vizjax atlas` with the same arguments renders it again"
            ) from error


@lru_cache(maxsize=16)
def _decoded(path: Path, changed: int) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


class Atlas:
    """An atlas on disk; made by `open` and by `vizjax.atlas.build`.

    Attributes:
        path: its folder.
        manifest: all that ``atlas.json`` says.
        recipe: how its pictures were made.
    """

    def __init__(self, path: Path):
        self.path, self.manifest = path, manifests.read(path)
        self.recipe: dict[str, Any] = self.manifest["recipe"]

    @property
    def layers(self) -> list[str]:
        """The names of its layers, in the net's order."""
        return list(self.manifest["layers"])

    def __getitem__(self, layer: str) -> Layer:
        """A layer by name."""
        if layer not in self.manifest["layers"]:
            raise unknown("layer in the atlas", layer, self.layers)
        facets, names = self.manifest["layers"][layer]["facets"], manifests.names(self.manifest, layer)
        return Layer(self.path, layer, facets, self.recipe["size"], names)

    def table(self) -> list[dict[str, Any]]:
        """Everything but the pictures: one row a unit and facet.

        Returns:
            Dicts with layer, facet, unit, name ("" for a unit that has none), score, final, baseline,
            status, attempts.
        """
        names = {layer: manifests.names(self.manifest, layer) for layer in self.layers}
        fields = ("score", "final", "baseline", "status", "attempts")
        return [
            {"layer": layer, "facet": rows.facet, "unit": unit, "name": names[layer].get(unit, "")}
            | {f: getattr(rows, f)[i] for f in fields}
            for layer in self.layers
            for rows in committed(self.path, layer)
            for i, unit in enumerate(rows.units)
        ]

    def provenance(self, layer: str, unit: int, facet: str) -> dict[str, Any]:
        """All that is needed to make one picture again.

        Args:
            layer: its layer.
            unit: its channel number.
            facet: its label.

        Returns:
            Name -> text or number; the unit's name is there only where it has one.
        """
        name = manifests.names(self.manifest, layer).get(unit)
        about = {k: self.manifest[k] for k in ("model", "seed", "width", "backend", "versions")}
        picture = {"layer": layer, "unit": unit, **({"name": name} if name else {}), "facet": facet}
        return {**picture, **about, "recipe": self.recipe}

    def export(self, layer: str, units: Iterable[int] | None, out: str | Path) -> list[Path]:
        """Writes single PNG files with their recipe inside.

        Args:
            layer: a layer of the atlas.
            units: channel numbers; None for all.
            out: folder for the files ``LAYER-UNIT-FACET.png``.

        Returns:
            Their paths.

        Raises:
            InputError: at a unit that is not there (before anything is written), or where a file
                cannot be written.
        """
        chosen = self[layer]
        wanted = chosen.units.tolist() if units is None else [int(u) for u in units]
        if absent := sorted(set(wanted) - set(chosen.units.tolist())):
            raise InputError(
                f"units {spelled(absent)} of layer {layer!r} are not in the atlas;"
                f" it has {spelled(chosen.units.tolist())}"
            )
        paths = []
        for unit in wanted:
            for facet, picture in zip(chosen.facets, chosen.pictures(unit), strict=True):
                path = Path(out) / f"{slug(layer)}-{unit:05d}-{facet.replace(' ', '-')}.png"
                recipe = self.provenance(layer, unit, facet)
                files.write(path, files.encoded(Image.fromarray(picture), "PNG", recipe))
                paths.append(path)
        return paths


def open_atlas(path: str | Path) -> Atlas:
    """Opens an atlas.

    Args:
        path: its folder.

    Returns:
        An `Atlas`: ``atlas["blocks.4"].images``, ``atlas.table()``, ``atlas.export(…)``.

    Raises:
        InputError: where the folder holds no atlas, or a broken one.

    Example:
        >>> open_atlas("nowhere")
        Traceback (most recent call last):
        vizjax.errors.InputError: nowhere is not an atlas: there is no atlas.json; ...
    """
    return Atlas(Path(path))
