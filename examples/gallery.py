"""Draws every picture of the gallery anew: all examples, one after the other.

Run ``python examples/gallery.py``; it takes about half an hour on two cores, and writes beside the
pictures in ``gallery/`` a page that shows them all. With ``--quick`` every example runs in seconds, and
writes to temporary folders. Names choose some: ``python examples/gallery.py dreams gatys``.
"""

import ast
import runpy
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = (".png", ".jpg", ".webp", ".gif")


def page() -> str:
    """What GitHub shows in the gallery's folder."""
    lines = ["# Gallery", "", "`python examples/gallery.py` draws all of it anew."]
    for script in scripts():
        code = script.read_text()
        text = ast.get_docstring(ast.parse(code)) or ""
        found = sorted((HERE / "gallery").iterdir())
        pictures = [p for p in found if p.stem.startswith(script.stem) or f"{p.stem.split('_')[0]}_" in code]
        lines += ["", f"## [{script.stem}](../{script.name})", "", text.split("\n\n")[0]]
        for picture in pictures:
            if picture.suffix in PICTURES:
                lines += ["", f"![{picture.stem}]({picture.name})"]
    return "\n".join(lines) + "\n"


def scripts() -> list[Path]:
    return [path for path in sorted(HERE.glob("*.py")) if path != Path(__file__)]


def main(names: list[str], quick: bool) -> None:
    known = {path.stem: path for path in scripts()}
    for name in names or known:
        if name not in known:
            sys.exit(f"there is no example {name!r}; there are: {', '.join(known)}")
        begin = time.perf_counter()
        print(f"{name} …", flush=True)
        sys.argv = [str(known[name]), *(["--quick"] if quick else [])]
        runpy.run_path(sys.argv[0], run_name="__main__")
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    if not quick:
        (HERE / "gallery" / "README.md").write_text(page())


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word != "--quick"], "--quick" in sys.argv)
