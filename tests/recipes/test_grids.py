"""Activation grids: every cell shows what is at its place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

import vizjax as vz
from vizjax.recipes.grids import Windows, draw_grid


@pytest.mark.parametrize("size", [(16, 24), (13, 20)])
def test_windows_are_the_canvas_cut_up(size: tuple[int, int]):
    """Grey beyond it, also where cells do not fill it."""
    canvas = jax.random.uniform(jax.random.key(0), (1, *size, 3))
    seen = Windows(tiny(), 8, 4)
    around = [(4, 4 + whole - n) for whole, n in zip((16, 24), size, strict=True)]
    around = np.pad(np.asarray(canvas[0]), (*around, (0, 0)), constant_values=0.5)
    cut = np.stack([around[i : i + 16, j : j + 16] for i in (0, 8) for j in (0, 8, 16)])
    found = vz.activations(seen, canvas)
    np.testing.assert_allclose(found["block"], vz.activations(tiny(), cut)["block"], atol=1e-6)
    np.testing.assert_array_equal(found["image"], canvas)


def test_windows_gather_nothing_and_scatter_nothing():
    slope = jax.grad(lambda x: vz.activations(Windows(tiny(), 8, 4), x)["conv1"].sum())
    program = jax.jit(slope).lower(jnp.zeros((1, 16, 24, 3))).as_text()
    assert "gather" not in program
    assert "scatter" not in program


def test_cells_show_what_is_at_their_place():
    """Of a picture whose halves differ, the cells' windows resemble their own half's activations more."""
    picture = np.full((16, 32, 3), 0.5, np.float32)
    picture[:, :16, 0], picture[:, 16:, 2] = 1, 1
    result = draw_grid(tiny(), picture, "relu2", cell=8, margin=4, power=0.0, steps=32)
    assert result.images.shape == (1, 1, 32, 64, 3)
    assert result.final > result.baseline
    assert result.recipe["cell"] == 8
    vectors = np.asarray(vz.activations(tiny(), picture[None])["relu2"][0]).reshape(32, -1)
    found = vz.activations(Windows(tiny(), 8, 4), result.images[0])["relu2"].mean((1, 2))
    centred = np.asarray(found - found.mean(0)) @ (vectors - vectors.mean(0)).T
    own = np.diag(centred).mean()
    right = np.arange(32) % 8 >= 4
    assert own > centred[right][:, ~right].mean()


def test_one_trace_serves_all_pictures(monkeypatch):
    traces, real = [], vz.objectives.caricature
    monkeypatch.setattr(vz.objectives, "caricature", lambda *args: traces.append(1) or real(*args))
    for level in (0.2, 0.4):
        draw_grid(tiny(), np.full((16, 16, 3), level, np.float32), "block", cell=4, margin=2, steps=2)
    assert len(traces) == 2


def test_what_has_no_places_is_refused():
    picture = np.zeros((16, 16, 3), np.float32)
    with pytest.raises(vz.InputError, match=r"layer 'pool' is \(16,\), with \[\]; choose another layer"):
        draw_grid(tiny(), picture, "pool")
    with pytest.raises(vz.InputError, match=r"with \['image'\]; choose another layer, and cell= for image="):
        draw_grid(tiny(), picture, "block", image=vz.images.fourier(16))
    with pytest.raises(vz.InputError, match="cell must be a whole number of 1 or more, not 0"):
        draw_grid(tiny(), picture, "block", cell=0)


@pytest.mark.slow
def test_cells_of_lite0_are_most_like_their_own_position():
    from skimage import data, transform

    net, layer = vz.load("efficientnet_lite0"), "blocks.10"
    crop = transform.resize(data.chelsea()[:300, 75:375], (96, 96), anti_aliasing=True).astype(np.float32)
    result = draw_grid(net, jnp.asarray(crop), layer, steps=32)
    vectors = np.asarray(vz.activations(net, crop[None])[layer][0], np.float64).reshape(36, -1)
    found = np.asarray(vz.activations(Windows(net, 32, 16), result.images[0])[layer].mean((1, 2)), np.float64)
    vectors, found = (x - x.mean(0) for x in (vectors, found))
    cosine = (found @ vectors.T) / np.linalg.norm(found, axis=1)[:, None] / np.linalg.norm(vectors, axis=1)
    best = (cosine.argmax(1) == np.arange(36)).mean()
    print(
        f"cosine with the own position {np.diag(cosine).mean():.2f}, with others {cosine.mean():.2f}; best {best:.0%}"
    )
    assert np.diag(cosine).mean() >= 0.4
    assert best >= 0.5
