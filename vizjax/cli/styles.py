"""The verb style."""

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import Draw, Drawing, Model, drawn
from vizjax.errors import InputError, check_counts
from vizjax.models import DEFAULT
from vizjax.pictures import fitted_size, resized
from vizjax.recipes.style.plans import planned
from vizjax.recipes.style.textures import synthesize
from vizjax.recipes.style.transfer import stylize

FamilyLayers = Annotated[tuple[str, ...] | None, arg(metavar="L …", help="else those of the model's family")]


def style(
    content: Annotated[Positional[Path], arg(metavar="CONTENT", help="the picture to be painted anew")],
    styles: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="STYLE …", help="in the style of these")
    ] = (),
    *,
    texture: Annotated[
        bool, arg(help="style alone: all pictures are styles, and the result is square")
    ] = False,
    ratio: Annotated[float, arg(metavar="A/B", help="weight of content by that of style")] = 0.05,
    keep_color: Annotated[
        Literal["luminance", "match"] | None,
        arg(help="the content's colours: only brightness is painted, or styles are recoloured first"),
    ] = None,
    mask: Annotated[
        tuple[Path, ...],
        arg(metavar="PICTURE …", help="white where a style goes; the last style gets what is left"),
    ] = (),
    blend: Annotated[tuple[float, ...], arg(metavar="W …", help="parts of the styles; else equal")] = (),
    begin: Annotated[
        Literal["content", "style", "noise"], arg(name="from", help="where to start")
    ] = "content",
    size: Annotated[int, arg(metavar="PX", help="longer side of the result")] = 512,
    scale: Annotated[float, arg(metavar="S", help="of the styles' longer side by the result's")] = 1.0,
    steps: Annotated[
        tuple[int, ...],
        arg(metavar="N …", help="at each size, the last one full, each half the next; else by size"),
    ] = (),
    convention: Annotated[
        Literal["relative", "paper", "code"], arg(help="what losses are multiplied by; Gatys et al.: 1e-3")
    ] = "relative",
    content_layers: FamilyLayers = None,
    style_layers: FamilyLayers = None,
    pool: Annotated[Literal["average", "max"], arg(help="of VGG; average is Gatys'")] = "average",
    model: Model = DEFAULT,
    draw: Draw = Drawing(),
) -> None:
    """Paint a picture in the style of others (neural style), or make a texture.

    For example:

    * vizjax style cat.jpg waves.jpg
    * vizjax style cat.jpg waves.jpg night.jpg --blend 2 1 --keep-color luminance
    * vizjax style cat.jpg waves.jpg night.jpg --mask sky.png --size 1024 --out painted.png
    * vizjax style bark.jpg --texture --size 256
    * vizjax style cat.jpg waves.jpg --model vgg19 --from noise --ratio 0.02
    """
    check_counts(size=size)
    if not texture and not styles:
        raise InputError(f"{content} is to be painted in no style; give a STYLE, or --texture for it alone")
    if min(scale, ratio) < 0 or scale == 0:
        raise InputError(f"scale is above 0 and ratio 0 or more, not {scale} and {ratio}")
    target = draw.target(f"{content.stem}-{'texture' if texture else styles[0].stem}.png")
    whole, painted = vz.read_picture(content), [vz.read_picture(path) for path in styles]
    masks = [vz.read_picture(path).mean(-1) for path in mask] or None
    net = draw.load(model)
    if hasattr(net, "pool"):
        net.pool = vz.nn.avg_pool if pool == "average" else vz.nn.max_pool
    options: dict[str, Any] = {
        "convention": convention, "style_layers": style_layers, "blend": blend or None, "masks": masks,
        "scale": scale, "steps": planned(steps or None, size),
    }  # fmt: skip

    def make(**run: Any) -> vz.Result:
        if texture:
            return synthesize(net, [whole, *painted], size, **options, **run)
        scaled = resized(whole, fitted_size(whole.shape, size)).clip(0, 1)
        return stylize(
            net, scaled, painted, ratio=ratio, color=keep_color, start=begin, content_layers=content_layers,
            **options, **run,
        )  # fmt: skip

    names = [path.name for path in styles]
    about = {"content": content.name, "styles": names, "masks": [m.name for m in mask]}
    told = f"a texture of {content.name}" if texture else f"{content.name} in the style of {', '.join(names)}"
    drawn(
        make, target, draw, title=f"{model}: {told}, {size} px, {sum(options['steps'])} steps",
        steps=sum(options["steps"]), about=about,
    )  # fmt: skip
