"""``atlas.json``: what an atlas says about itself, and whether a build may go on in a folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vizjax.activations import layers as layer_facts
from vizjax.atlas import store
from vizjax.atlas.jobs import Facet
from vizjax.errors import InputError
from vizjax.models import unit_names
from vizjax.render import default_width

FORMAT = 1
MANIFEST = "atlas.json"


def weights_hash(net: Any) -> str:
    """A fingerprint of a net's weights.

    Args:
        net: a net.

    Returns:
        The SHA-256 of all its arrays, in hexadecimal.

    Example:
        >>> from vizjax.models import load
        >>> len(weights_hash(load("efficientnet_lite0")))
        64
    """
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(net):
        array = np.asarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def begin(
    net: Any,
    out: Path,
    chosen: Mapping[str, list[int]],
    kinds: Sequence[Facet],
    recipe: Mapping[str, Any],
    batch: int | None,
    seed: int,
) -> dict[str, Any]:
    """The manifest of a new atlas, or of one that goes on with more layers, units or facets.

    Args:
        net: a net.
        out: the atlas's folder.
        chosen: layer -> units.
        kinds: facets.
        recipe: how pictures are made.
        batch: the width that is asked for; None takes the stored one, or chooses one.
        seed: what all randomness comes from.

    Returns:
        What is to be written to ``atlas.json``.

    Raises:
        InputError: where the folder holds something else, or an atlas of another model or recipe.
    """
    new: dict[str, Any] = {
        "format": FORMAT,
        "model": {"name": getattr(net, "name", type(net).__name__), "weights": weights_hash(net)},
        "recipe": recipe,
        "seed": seed,
        "width": int(batch or default_width(max(map(len, chosen.values())))),
        "backend": jax.default_backend(),
        "versions": {name: version(name) for name in ("vizjax", "jax", "flax", "optax", "numpy")},
        "layers": {},
    }
    if (out / MANIFEST).exists():
        new = _continued(read(out), new, out, batch)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is neither an empty folder nor an atlas; choose another one with --out")
    facts = layer_facts(net)
    for layer, units in chosen.items():
        there = {u for rows in store.committed(out, layer, skip_broken=True) for u in rows.units}
        facets = new["layers"].get(layer, {"facets": {}})["facets"]
        new["layers"][layer] = {
            "slug": store.slug(layer),
            "channels": facts[layer].channels,
            "units": len(there.union(units)),
            "facets": facets | {kind.name: kind.pictures for kind in kinds},
        }
        if len(facts[layer].shape) == 1:  # a class has no place in the picture
            new["layers"][layer] |= _named(unit_names(net, layer))
    return new | {"layers": {name: new["layers"][name] for name in facts if name in new["layers"]}}


def _named(names: Sequence[str]) -> dict[str, list[str]]:
    """The names of all units of a layer, as its entry holds them where there are any."""
    return {"names": list(names)} if any(names) else {}


def _continued(old: dict, new: dict, out: Path, batch: int | None) -> dict[str, Any]:
    """The manifest of an atlas that goes on, where it is of the same model and recipe."""
    recipe = {"dtype": "float32"} | old["recipe"]  # atlases from before there was a choice lack it
    differing = [
        f"{what}: {was!r} there, {now!r} now"
        for what, was, now in [
            *((k, old["model"].get(k), new["model"][k]) for k in ("name", "weights")),
            *((k, recipe.get(k), v) for k, v in new["recipe"].items()),
            ("seed", old["seed"], new["seed"]),
            *([("batch", old["width"], batch)] if batch else []),
        ]
        if was != now
    ]
    if differing:
        raise InputError(
            f"{out} holds an atlas of another model or recipe ({'; '.join(differing)});"
            f" choose another folder with --out, or the same settings"
        )
    return old


def read(out: Path) -> dict[str, Any]:
    """What an atlas says about itself.

    Args:
        out: the atlas.

    Returns:
        The content of ``atlas.json``.

    Raises:
        InputError: where there is none, or it is broken or of another format.
    """
    path = out / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        wanted = {"format", "model", "recipe", "seed", "width", "layers"}
        if not isinstance(manifest, dict) or not wanted <= manifest.keys():
            raise ValueError("it is not the description of an atlas")
    except FileNotFoundError:
        raise InputError(
            f"{out} is not an atlas: there is no {MANIFEST}; `vizjax atlas --out {out}` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); restore it, or make the atlas in another folder"
        ) from None
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{path} has format {manifest['format']}, this vizjax reads {FORMAT}; use the vizjax that made it"
        )
    return manifest


def names(manifest: Mapping[str, Any], layer: str) -> dict[int, str]:
    """The names of a layer's units.

    Args:
        manifest: what an atlas says about itself.
        layer: one of its layers.

    Returns:
        Unit -> name, of the units that have one.

    Example:
        >>> names({"layers": {"logits": {"names": ["tench", "", "shark"]}, "stem": {}}}, "logits")
        {0: 'tench', 2: 'shark'}
    """
    there = enumerate(manifest["layers"].get(layer, {}).get("names", ()))
    return {unit: name for unit, name in there if name}


def to_json(manifest: dict[str, Any]) -> str:
    """A manifest as the text of ``atlas.json``.

    Args:
        manifest: its content.

    Returns:
        JSON that people can read, too.

    Example:
        >>> to_json({"format": 1})
        '{\\n  "format": 1\\n}\\n'
    """
    return json.dumps(manifest, indent=2) + "\n"
