"""The page that shows an atlas in a browser, as text: no server, no network, no build step.

The page is one file: ``page.html`` with ``page.css``, ``page.js`` and the atlas' manifest inlined. What
each layer holds is in a script of its own, which the page loads when the layer is looked at. A script,
because a page opened from ``file://`` may load scripts and pictures of its folder, and nothing else.
"""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

_PARTS = {name: Path(__file__).with_name(f"page.{name}") for name in ("html", "css", "js")}


def html(manifest: dict[str, Any]) -> str:
    """Text of ``index.html``, the page that shows an atlas.

    Args:
        manifest: What the atlas is made of, the content of ``atlas.json``. Layers are listed in the
            order they have here.

    Returns:
        The page. Write it as UTF-8, beside the folder ``layers``.

    Raises:
        ValueError: The manifest holds a number that is not finite, which JSON has no word for.

    Example:
        >>> layer = {"slug": "blocks.4", "channels": 40, "units": 40, "facets": {"positive": 1}}
        >>> page = html({"model": {"name": "</script>"}, "layers": {"blocks.4": layer}})
        >>> '"name":"\\\\u003c/script\\\\u003e"' in page
        True
    """
    page, style, script = (part.read_text(encoding="utf-8") for part in _PARTS.values())
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {_digest(script)}",
            f"style-src {_digest(style)}",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    slots = {
        "policy": policy,
        "style": style,
        "script": script,
        "manifest": _json(manifest),
        # JSON.parse sorts keys that look like integers before all others: the order is said apart.
        "order": _json(list(manifest.get("layers", {}))),
    }
    # In one pass, so that nothing that came from outside is taken for a slot.
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: slots[slot[1]], page)


def layer_script(layer: dict[str, Any]) -> str:
    """Text of a layer's ``layer.js``, which hands the layer to the page.

    Args:
        layer: The layer's name, tile size, facets and shards. A number that is not finite has to be
            given as None.

    Returns:
        One call of the page's function ``vizjaxLayer``.

    Raises:
        ValueError: A number is not finite.

    Example:
        >>> layer_script({"name": "blocks.4", "size": [128, 128], "facets": {}, "shards": []})
        'vizjaxLayer({"name":"blocks.4","size":[128,128],"facets":{},"shards":[]});\\n'
    """
    return f"vizjaxLayer({_json(layer)});\n"


def _json(value: Any) -> str:
    """JSON in ASCII that can neither end a script element nor open another."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # Outside strings JSON has none of the three. U+2028 and U+2029 are escaped with all of non-ASCII.
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"})


def _digest(content: str) -> str:
    """The content security policy's name for an inline script or style."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
