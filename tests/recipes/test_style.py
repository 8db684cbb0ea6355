"""Style transfer: Gatys' losses, their two conventions, and what comes out."""

import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import tiny

import vizjax as vz
from vizjax import color, objectives
from vizjax.activations import activations
from vizjax.errors import InputError
from vizjax.files import read_recipe
from vizjax.interruption import Interrupted
from vizjax.models.vgg import VGG
from vizjax.recipes.seeing import seen
from vizjax.recipes.style.inputs import checked
from vizjax.recipes.style.losses import CONVENTIONS, factors, style_objective
from vizjax.recipes.style.masks import fitted_masks
from vizjax.recipes.style.references import mean_grams, references
from vizjax.recipes.style.textures import synthesize
from vizjax.recipes.style.transfer import stylize

LAYERS: dict[str, Any] = {"content_layers": ("block",), "style_layers": ("relu1", "block")}
QUICK: dict[str, Any] = LAYERS | {"steps": 12}


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """A picture of soft colours."""
    rng = np.random.default_rng(seed)
    coarse = jnp.asarray(rng.random((*(max(2, n // 4) for n in shape), 3)), jnp.float32)
    return np.asarray(jnp.clip(jax.image.resize(coarse, (*shape, 3), "cubic"), 0, 1))


CONTENT, STYLE, OTHER = drawn(24, 32), drawn(28, 20, seed=1), drawn(24, 24, seed=2)


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


# --- the losses


@pytest.mark.parametrize("mask", [None, "soft"])
def test_gram_matrices_are_symmetric_and_have_no_negative_direction(mask: str | None):
    x = normal(2, 5, 4, 7)
    weights = None if mask is None else jnp.abs(normal(5, 4, seed=1))
    found = np.asarray(objectives.gram(x, weights), np.float64)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    assert np.linalg.eigvalsh(found).min() > -1e-5 * found.max()


def test_gram_matrices_do_not_know_of_places():
    x = normal(1, 5, 4, 7)
    order = np.random.default_rng(1).permutation(20)
    moved = x.reshape(1, 20, 7)[:, order].reshape(x.shape)
    np.testing.assert_allclose(objectives.gram(moved), objectives.gram(x), rtol=1e-5, atol=1e-5)
    mask = jnp.abs(normal(5, 4, seed=2))
    with_it = objectives.gram(moved, mask.reshape(20)[order].reshape(5, 4))
    np.testing.assert_allclose(with_it, objectives.gram(x, mask), rtol=1e-5, atol=1e-5)
    assert np.abs(objectives.gram(moved, mask) - objectives.gram(x, mask)).max() > 0.1


def test_gradient_of_style_is_the_papers():
    """∂E/∂F = (G − A) F / (N² M²), equation 6 where activations are above zero."""
    x, channels, places = normal(1, 5, 4, 7), 7, 20
    reference = objectives.gram(normal(1, 5, 4, 7, seed=1))
    found = jax.grad(objectives.style_loss)(x, reference)
    flat = np.asarray(x, np.float64).reshape(places, channels)
    expected = flat @ (flat.T @ flat - np.asarray(reference[0], np.float64)) / (channels**2 * places**2)
    np.testing.assert_allclose(found.reshape(places, channels), expected, rtol=1e-5, atol=1e-8)


def test_gradient_of_content_is_the_papers():
    """∂L/∂F = F − P, equation 2."""
    x, reference = normal(1, 5, 4, 7), normal(1, 5, 4, 7, seed=1)
    np.testing.assert_allclose(jax.grad(objectives.content_loss)(x, reference), x - reference, rtol=1e-6)


def test_a_mask_of_ones_is_none_and_outside_nothing_counts():
    x = normal(1, 4, 4, 3)
    reference = objectives.gram(normal(1, 4, 4, 3, seed=1))
    everywhere = objectives.style_loss(x, reference, jnp.ones((4, 4)))
    np.testing.assert_allclose(everywhere, objectives.style_loss(x, reference), rtol=1e-6)
    left = jnp.zeros((4, 4)).at[:, :2].set(1)
    half = objectives.style_loss(x[:, :, :2], reference)
    np.testing.assert_allclose(objectives.style_loss(x, reference, left), half, rtol=1e-5)
    gradient = jax.grad(objectives.style_loss)(x, reference, left)
    assert np.all(gradient[:, :, 2:] == 0)
    assert np.all(gradient[:, :, :2] != 0)


# --- the conventions


def code_losses(f: np.ndarray, p: np.ndarray, a: np.ndarray) -> tuple[float, float]:
    """Content and style of one layer as the authors' code has them: GramMSELoss and MSELoss."""

    def gram_matrix(x: np.ndarray) -> np.ndarray:  # c, h, w
        flat = x.reshape(len(x), -1)
        return flat @ flat.T / flat.shape[1]

    f, p, a = (np.moveaxis(x[0].astype(np.float64), -1, 0) for x in (f, p, a))
    weight = 1e3 / len(f) ** 2
    return np.mean((f - p) ** 2), weight * np.mean((gram_matrix(f) - gram_matrix(a)) ** 2)


@pytest.mark.parametrize("shape", [(1, 5, 4, 7), (1, 12, 16, 64), (1, 3, 3, 128)])
def test_the_conventions_convert(shape: tuple):
    """code = 2 / (N M) · L_c + 10³ · 4 / N² · E_l, with styles of another size."""
    f, p, a = normal(*shape), normal(*shape, seed=1), normal(1, 9, 8, shape[-1], seed=2)
    places, channels = shape[1] * shape[2], shape[-1]
    gram = objectives.gram(a) / 72
    (content,), ((style,),) = factors("code", [p], [gram])
    np.testing.assert_allclose(content, 2 / (places * channels), rtol=1e-6)
    np.testing.assert_allclose(1e3 * style, 4e3 / channels**2, rtol=1e-6)
    ours = (content * objectives.content_loss(f, p), 1e3 * style * objectives.style_loss(f, gram * places))
    np.testing.assert_allclose(ours, code_losses(*map(np.asarray, (f, p, a))), rtol=1e-6)


def test_paper_takes_the_mean_over_layers():
    content, style = factors("paper", [normal(1, 2, 2, 3)], [normal(2, 3, 3), normal(2, 4, 4)])
    assert content.tolist() == [1]
    assert style.tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_relative_losses_are_one_for_activations_of_zero(size: float):
    p, a = size * normal(1, 4, 4, 3), size * normal(1, 6, 6, 3, seed=1)
    gram = objectives.gram(a) / 36
    (content,), ((style,),) = factors("relative", [p], [gram])
    np.testing.assert_allclose(content * objectives.content_loss(0 * p, p), 1, rtol=1e-5)
    np.testing.assert_allclose(style * objectives.style_loss(0 * p, gram * 16), 1, rtol=1e-5)


def test_blended_styles_have_the_gradient_of_the_sum():
    """Against the mean of Gram matrices, and against each by its share."""
    shares, net = (0.25, 0.75), tiny()
    together = mean_grams(net, (STYLE, OTHER), ("relu1",), shares, False)[0]
    apart = mean_grams(net, (STYLE, OTHER), ("relu1",), shares, True)[0]
    x, places = seen(net, CONTENT[None], ("relu1",))[0], 12 * 16

    def each(x: jax.Array) -> jax.Array:
        return sum(s * objectives.style_loss(x, g[None] * places) for s, g in zip(shares, apart, strict=True))

    one = jax.grad(lambda x: objectives.style_loss(x, together * places))(x)
    np.testing.assert_allclose(one, jax.grad(each)(x), rtol=1e-4, atol=1e-9)


# --- the recipe


def losses(picture: np.ndarray, content: np.ndarray, style: np.ndarray) -> tuple[float, float]:
    """Of content at ``block`` and of style at ``relu1`` and ``block``, against the whole picture."""
    found, wanted, styled = (activations(tiny(), jnp.asarray(p)[None]) for p in (picture, content, style))
    of_style = 0.0
    for name in LAYERS["style_layers"]:
        a, g = (objectives.gram(x[name]) / x[name][0, ..., 0].size for x in (styled, found))
        of_style += float(jnp.sum((g - a) ** 2) / jnp.sum(a**2))
    return float(objectives.content_loss(found["block"], wanted["block"])), of_style


@pytest.mark.parametrize("start", ["content", "style", "noise", "picture"])
def test_the_loss_falls_from_every_start(start: str):
    begin: Any = OTHER if start == "picture" else start
    result = stylize(tiny(), CONTENT, STYLE, start=begin, **QUICK)
    assert result.images.shape == (1, 1, 24, 32, 3)
    assert result.final[0] > 0.8 * result.scores[0, 0]
    assert losses(result.images[0, 0], CONTENT, STYLE)[1] < 0.6 * losses(CONTENT, CONTENT, STYLE)[1]


def test_content_is_kept_the_better_the_more_it_weighs():
    """The two ends of the paper's figure: content's loss falls, and that of style rises, with α/β."""
    found = [
        losses(stylize(tiny(), CONTENT, STYLE, ratio=r, **QUICK).images[0, 0], CONTENT, STYLE)
        for r in (0.01, 0.3, 10.0)
    ]
    of_content, of_style = zip(*found, strict=True)
    assert of_content[0] > of_content[1] > of_content[2]
    assert of_style[0] < of_style[1] < of_style[2]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_score_is_minus_the_loss_of_the_convention(convention: str):
    result = stylize(tiny(), CONTENT, STYLE, ratio=0.5, convention=convention, **LAYERS, steps=1)
    of_content = seen(tiny(), CONTENT[None], ("block",))
    grams = mean_grams(
        tiny(), [np.asarray(vz.pictures.resized(STYLE, (32, 23)))], LAYERS["style_layers"], (1.0,), False
    )
    a, b = factors(convention, of_content, grams)
    # the spectrum's black and white
    acts = seen(tiny(), np.clip(CONTENT, 1 / 510, 1 - 1 / 510)[None], ("block", *LAYERS["style_layers"]))
    expected = 0.5 * a[0] * objectives.content_loss(acts[0], of_content[0])
    for x, gram, w in zip(acts[1:], grams, b[:, 0], strict=True):
        expected += w * objectives.style_loss(x, gram * x[0, ..., 0].size)
    np.testing.assert_allclose(-result.baseline[0], expected, rtol=1e-3)


def test_textures_are_style_alone():
    """Whatever the canvas held; and a content that weighs nothing gives the same loss."""
    result = synthesize(tiny(), STYLE, (20, 28), style_layers=LAYERS["style_layers"], steps=30)
    assert result.images.shape == (1, 1, 20, 28, 3)
    assert result.final[0] > 0.15 * result.scores[0, 0]
    assert result.recipe["content_layers"] == ()
    alone = stylize(tiny(), CONTENT[:20, :28], STYLE, ratio=0.0, start="noise", **LAYERS, steps=3)
    np.testing.assert_allclose(alone.scores[0], result.scores[0, :3], rtol=1e-3)


def test_content_alone_is_inversion():
    result = stylize(tiny(), CONTENT, (), start="noise", content_layers=("conv1",), style_layers=(), steps=60)
    assert result.final[0] > 0.05 * result.scores[0, 0]
    assert np.corrcoef(result.images.ravel(), CONTENT.ravel())[0, 1] > 0.9


def test_masks_give_each_region_its_style():
    dark, bright = 0.1 * STYLE, 1 - 0.1 * OTHER
    left = np.zeros((24, 32), np.float32)
    left[:, :16] = 1
    options: Any = {
        "style_layers": LAYERS["style_layers"],
        "content_layers": (),
        "steps": 40,
        "start": "noise",
    }
    found = stylize(tiny(), CONTENT, [dark, bright], masks=[left], **options).images[0, 0]
    assert found[:, :14].mean() < 0.35
    assert found[:, 18:].mean() > 0.65
    swapped = stylize(tiny(), CONTENT, [dark, bright], masks=[1 - left, left], **options).images[0, 0]
    assert swapped[:, :14].mean() > 0.65
    assert swapped[:, 18:].mean() < 0.35


def test_where_a_lone_styles_mask_is_black_the_content_stays():
    mask = np.zeros((24, 32), np.float32)
    mask[:, :12] = 1
    change = np.abs(stylize(tiny(), CONTENT, STYLE, masks=[mask], **QUICK).images[0, 0] - CONTENT).mean(
        (0, 2)
    )
    assert change[24:].mean() < 0.3 * change[:12].mean()


def test_masks_take_the_layers_sizes():
    mask = np.zeros((48, 64))
    mask[:, 32:] = 1
    sizes = fitted_masks(tiny(), CONTENT, [mask, 1 - mask], ("relu1", "relu2"))
    assert [m.shape for m in sizes] == [(2, 12, 16), (2, 6, 8)]
    for found in sizes:
        np.testing.assert_allclose(found.sum(0), 1, atol=0.02)
        assert found.min() > 0


def test_blends_lie_between_their_styles():
    options: Any = {"style_layers": ("relu1",), "content_layers": (), "steps": 25, "start": "noise"}
    dark, bright = np.full_like(STYLE, 0.1), np.full_like(STYLE, 0.9)
    shades = [
        stylize(tiny(), CONTENT, [dark, bright], blend=b, **options).images.mean()
        for b in ((1, 0), (3, 1), (1, 3), (0, 2))
    ]
    assert shades == sorted(shades)
    assert shades[-1] - shades[0] > 0.5
    assert shades[0] < 0.25


def test_from_coarse_to_fine():
    """Each size starts from the one before; their scores follow each other, and so do their frames."""
    counts: list[int] = []
    result = stylize(
        tiny(), CONTENT, STYLE, **LAYERS, steps=(6, 4, 2), every=2, on_step=lambda n, s: counts.append(n)
    )
    assert result.recipe["sizes"] == [(6, 8), (12, 16), (24, 32)]
    assert result.scores.shape == (1, 12)
    assert counts == [1] * 12
    assert result.frames is not None
    assert result.frames.shape == (1, 4 + 3 + 2, 1, 24, 32, 3)
    np.testing.assert_allclose(result.frames[0, -1], result.images[0], atol=1e-6)
    alone = stylize(tiny(), CONTENT, STYLE, **LAYERS, steps=2)
    assert result.scores[0, 10] > alone.scores[0, 0]


def test_colour_is_kept():
    """Luminance: hue is the content's to the bit; match: mean and covariance are."""
    chroma = lambda p: p - np.asarray(color.luminance(jnp.asarray(p)))  # noqa: E731
    soft = 0.25 + 0.5 * CONTENT  # nothing is clipped
    kept = stylize(tiny(), soft, STYLE, color="luminance", **QUICK)
    inside = ((kept.images[0, 0] > 0) & (kept.images[0, 0] < 1)).all(-1)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(chroma(kept.images[0, 0])[inside], chroma(soft)[inside], atol=1e-5)
    assert np.abs(kept.images[0, 0] - soft).mean() > 0.003
    free, near = (stylize(tiny(), soft, STYLE, color=c, **QUICK).images[0, 0] for c in (None, "match"))
    off = [np.abs(p.mean((0, 1)) - soft.mean((0, 1))).max() for p in (free, near)]
    assert off[1] < 0.5 * off[0]


def test_matched_colours_have_the_references_moments():
    found = np.asarray(color.matched(jnp.asarray(STYLE), jnp.asarray(CONTENT)), np.float64).reshape(-1, 3)
    wanted = CONTENT.reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.cov(found.T), np.cov(wanted.T), atol=1e-5)
    grey = np.full((4, 4, 3), 0.3, np.float32)
    np.testing.assert_allclose(color.matched(jnp.asarray(STYLE), jnp.asarray(grey)), 0.3, atol=1e-2)
    assert np.isfinite(color.matched(jnp.asarray(grey), jnp.asarray(STYLE))).all()


def test_one_compilation_serves_all_pictures_of_a_size(monkeypatch: pytest.MonkeyPatch):
    traces = []
    whole = objectives.content_loss

    def counted(*args: Any) -> jax.Array:
        traces.append(1)
        return whole(*args)

    monkeypatch.setattr(objectives, "content_loss", counted)
    run: Any = {"content_layers": ("relu2",), "style_layers": ("conv1",), "steps": 3}
    stylize(tiny(), CONTENT, STYLE, **run)
    first = len(traces)
    assert first > 0
    for i in range(3):
        other = drawn(24, 32, seed=10 + i)
        stylize(tiny(), other, drawn(28, 20, seed=20 + i), ratio=0.1 * i, convention=CONVENTIONS[i], **run)
    assert len(traces) == first


def test_the_objective_is_the_same_compiled_and_not():
    inputs = checked(tiny(), CONTENT, [STYLE, OTHER], ("block",), ("relu1",), None, None, [np.eye(8)])
    to = references(tiny(), inputs, (24, 32), 0.3, "relative", 1.0)
    objective = style_objective(("block",), ("relu1",))

    def value(picture: jax.Array) -> jax.Array:
        return objective(activations(tiny(), picture), to)

    picture = jnp.asarray(drawn(24, 32, seed=3))[None]
    found, gradient = jax.jit(jax.value_and_grad(value))(picture)
    np.testing.assert_allclose(found, value(picture), rtol=1e-5)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    "optimizer", [vz.updates.lbfgs(), vz.updates.adam(0.05), optax.lbfgs()], ids=["lbfgs", "adam", "zoom"]
)
def test_adam_and_lbfgs_lower_it(optimizer: Any):
    """Also Optax's L-BFGS as it comes, with its line search, on pixels."""
    result = stylize(tiny(), CONTENT, STYLE, optimizer=optimizer, image=vz.images.pixels, **QUICK)
    assert result.final[0] > 0.8 * result.scores[0, 0]


def test_an_interruption_keeps_the_picture():
    def stop(count: int, scores: Any) -> None:
        nonlocal made
        made += 1
        if made == 3:
            signal.raise_signal(signal.SIGINT)

    made = 0
    with pytest.raises(Interrupted) as caught:
        stylize(tiny(), CONTENT, STYLE, **LAYERS, steps=(2, 6), on_step=stop)
    assert caught.value.result.images.shape == (1, 1, 24, 32, 3)
    assert made == 3


def test_an_interruption_of_a_later_size_keeps_the_size_before():
    def stop(count: int, scores: Any) -> None:
        made.append(count)
        if len(made) == 3:
            raise KeyboardInterrupt  # where the second size had not made a step

    made: list[int] = []
    with pytest.raises(Interrupted) as caught:
        stylize(tiny(), CONTENT, STYLE, **LAYERS, steps=(2, 6), on_step=stop)
    assert caught.value.result.images.shape == (1, 1, 12, 16, 3)
    assert caught.value.result.scores.shape == (1, 2)


def test_the_recipe_is_saved(tmp_path: Any):
    vz.save(stylize(tiny(), CONTENT, [STYLE, OTHER], blend=(1, 3), **LAYERS, steps=2), tmp_path / "a.png")
    told = read_recipe(tmp_path / "a.png")
    assert told["blend"] == [0.25, 0.75]
    assert told["optimizer"] == "lbfgs()"
    assert told["content_layers"] == ["block"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"convention": "torch"}, "unknown convention 'torch'"),
        ({"color": "hue"}, "unknown color 'hue'"),
        ({"start": "black"}, "unknown start 'black'"),
        ({"blend": [1, 2]}, "blend must be 1 numbers of 0 or more"),
        ({"layer_weights": [1, -2]}, "layer_weights must be 2 numbers of 0 or more"),
        ({"masks": [np.ones((4, 4)), np.ones((4, 4))]}, "one for each of 1 styles"),
        ({"masks": [np.zeros((4, 4))]}, "not black all over"),
        ({"content_layers": None}, "give content_layers and style_layers"),
        ({"content_layers": (), "style_layers": ()}, "neither content nor style"),
        ({"content_layers": ("block9",)}, "unknown layer 'block9'"),
        ({"steps": 0}, "must be a whole number of 1 or more"),
        ({"steps": ()}, "must be a whole number of 1 or more"),
    ],
)
def test_mistakes_are_named(options: dict, text: str):
    with pytest.raises(InputError, match=text):
        stylize(tiny(), CONTENT, STYLE, **(QUICK | options))


@pytest.mark.parametrize("picture", [np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((8, 8, 3), np.uint8)])
def test_pictures_are_floats_of_three_colours(picture: np.ndarray):
    with pytest.raises(InputError, match=r"contents and styles are h w 3 of floats"):
        stylize(tiny(), CONTENT, picture, **QUICK)
    with pytest.raises(InputError, match=r"contents and styles are h w 3 of floats"):
        stylize(tiny(), picture, STYLE, **QUICK)


def test_vgg_takes_average_pools():
    """The paper's net: the same layers, and another pool."""
    net = nnx.eval_shape(lambda: VGG(11, rngs=nnx.Rngs(0)))  # of which the first layer is enough
    net.conv1_1 = nnx.Conv(3, 64, (3, 3), padding=1, rngs=nnx.Rngs(0))
    picture = jnp.asarray(drawn(32, 32))[None]
    largest = activations(net, picture)["pool1"]
    net.pool = vz.nn.avg_pool
    acts = activations(net, picture)
    mean = acts["relu1_1"].reshape(1, 16, 2, 16, 2, 64).mean((2, 4))
    np.testing.assert_allclose(acts["pool1"], mean, rtol=1e-5, atol=1e-6)
    assert np.abs(acts["pool1"] - largest).max() > 1e-3
