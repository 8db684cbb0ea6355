"""Inversion: both papers' energies and schedules, foci, strips, measures, the linear baseline."""

import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data, metrics
from tiny import tiny

import vizjax as vz
from vizjax.errors import InputError
from vizjax.factory import recipe
from vizjax.recipes.inversion import energies
from vizjax.recipes.inversion.foci import focus
from vizjax.recipes.inversion.inverting import invert, invert_layers
from vizjax.recipes.inversion.measures import mean_pairwise_square, psnr, squared_error, ssim
from vizjax.recipes.inversion.methods import METHODS, STAGES
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.inversion.reports import crops, report_inversion, report_target
from vizjax.recipes.inversion.ridge import fit_ridge
from vizjax.recipes.seeing import seen

STEPS = 80
CLASSICAL = {"hog": vz.features.hog(), "hogb": vz.features.hog(soft=True), "dsift": vz.features.dsift()}


def grey(name: str, side: int = 128) -> np.ndarray:
    """The middle of one of scikit-image's pictures."""
    picture = np.asarray(getattr(data, name)(), np.float64) / 255
    picture = picture @ [0.299, 0.587, 0.114] if picture.ndim == 3 else picture
    top, left = ((n - side) // 2 for n in picture.shape)
    return picture[top : top + side, left : left + side, None].astype(np.float32)


def smooth(jobs: int = 3, side: int = 24, channels: int = 3) -> np.ndarray:
    """Random pictures without the finest detail."""
    x = jax.random.uniform(jax.random.key(1), (jobs, side // 3, side // 3, channels))
    return np.asarray(jax.image.resize(x, (jobs, side, side, channels), "linear"))


def inverted(pictures: Any, layer: str = "conv1", **settings: Any) -> vz.Result:
    """By the tiny net, at one width and number of steps: most tests share their compiled programs."""
    return invert(tiny(), pictures, layer, **{"steps": STEPS, "batch": 2} | settings)


def relative(net: Any, layer: str, found: Any, pictures: Any) -> np.ndarray:
    reference = seen(net, jnp.asarray(pictures), layer)
    error = squared_error(seen(net, jnp.asarray(found), layer), reference)
    return np.sqrt(error / squared_error(reference, np.zeros_like(reference)))


@pytest.mark.parametrize("method", METHODS)
def test_inversions_come_near_and_several_starts_differ_by_the_start_alone(method: str):
    pictures = smooth(2)
    result = inverted(pictures, method=method, starts=2)
    assert result.images.shape == (2, 2, 1, 24, 24, 3)
    assert (result.final > result.baseline).all()
    for start in (0, 1):
        assert (relative(tiny(), "conv1", result.images[:, start, 0], pictures) < 0.3).all()
    assert np.abs(result.images[:, 0] - result.images[:, 1]).max() > 0.01
    alone = inverted(pictures[0], method=method)
    np.testing.assert_array_equal(alone.images[0], result.images[0, 0])
    assert result.recipe["layer"] == "conv1"
    assert result.recipe["method"] == method
    assert result.recipe["rectify"] == "plain"


def test_the_energy_of_2015_is_the_papers_in_levels():
    """‖Φ − Φ₀‖²/‖Φ₀‖² + (1/σ²)·[λ_TV/2·Σ(d₁² + d₂²) + λ_α/2·Σx⁶], x in levels about their mean."""
    picture = smooth(1)
    result = inverted(picture, weights={"tv": 7.0, "alpha": 1e-9})
    x = 255 * (np.asarray(result.images[0], np.float64) - 0.5)
    square = 68.9**2 * x.size
    down, right = np.diff(x, axis=1, append=x[:, -1:]), np.diff(x, axis=2, append=x[:, :, -1:])
    error = relative(tiny(), "conv1", result.images[0], picture)[0] ** 2
    energy = error + (7 / 2 * (down**2 + right**2).sum() + 1e-9 / 2 * (x**6).sum()) / square
    np.testing.assert_allclose(-result.final[0], energy, rtol=1e-4)


def test_the_energy_of_2016_is_the_papers_in_levels():
    """C·ℓ + (6.5/B)²·TV/(HW) + B⁻⁶·Σ‖x_p‖⁶/(HW), ‖x_p‖ the norm of a pixel's colour; no jitter at stride 2."""
    picture = smooth(1)
    result = inverted(picture, method="ijcv2016", weights={"error": 20.0})
    x = 255 * (np.asarray(result.images[0], np.float64) - 0.5)
    down, right = np.diff(x, axis=1, append=x[:, -1:]), np.diff(x, axis=2, append=x[:, :, -1:])
    roughness = (6.5 / 80) ** 2 * (down**2 + right**2).sum() / 24**2
    large = 80.0**-6 * ((x**2).sum(-1) ** 3).sum() / 24**2
    error = relative(tiny(), "conv1", result.images[0], picture)[0] ** 2
    np.testing.assert_allclose(-result.final[0], 20 * error + roughness + large, rtol=1e-4)
    assert np.linalg.norm(x, axis=-1).max() < 160.1


def test_the_schedules_are_the_papers():
    for stages, total in (("net", 400), ("features", 800), ("focus", 600)):
        settings = METHODS["cvpr2015"]((227, 227, 3), 8, 51, stages).settings
        assert settings["steps"] == total
        square = 68.9**2 * 227 * 227 * 3
        rates = tuple((0.004 * square * share, n) for share, n in STAGES[stages])
        assert settings["optimizer"] is vz.updates.staged_momentum(rates)
    fields = {11: 1, 51: 1, 99: 10, 131: 10, 163: 100, float("inf"): 100}
    found = {f: METHODS["cvpr2015"]((9, 9, 3), 8, f, "net").weights["tv"] for f in fields}
    assert found == fields
    plan = METHODS["ijcv2016"]((64, 64, 3), 16, 100, "net")
    assert (plan.spare, plan.settings["steps"]) == (3, 350)
    assert recipe(plan.settings["transform"]).startswith("jitter(3, until=0.857")


def test_starts_are_the_papers_noise():
    normal = energies.noise((16, 16), 3, "normal").init(jax.random.key(0))
    np.testing.assert_allclose(jnp.linalg.norm(255 * (normal - 0.5)), 68.9 * np.sqrt(16 * 16 * 3), rtol=1e-5)
    uniform = 255 * (energies.noise((16, 16), 3, "uniform").init(jax.random.key(0)) - 0.5)
    np.testing.assert_allclose(np.quantile(uniform, 0.95), 80 / np.sqrt(3), rtol=1e-4)
    assert np.abs(uniform).max() < 80 / np.sqrt(3) / 0.8


def test_jitter_on_a_larger_canvas_and_pictures_of_the_pictures_size():
    """The objective is of the middle of the canvas."""
    net, picture = vz.features.hog(cell=12), smooth(1, 48, 1)[0]
    result = invert(net, picture, "hog", method="ijcv2016", steps=7, every=7, start=picture)
    assert result.images.shape == (1, 1, 48, 48, 1)
    assert result.frames.shape == (1, 2, 1, 48, 48, 1)
    np.testing.assert_allclose(result.frames[0, 0, 0], picture, atol=1e-6)
    assert "jitter(2" in result.recipe["transform"]


def test_one_trace_for_all_pictures_weights_and_starts(monkeypatch):
    traces = 0
    real = vz.regularizers.total_variation

    def counting(*args):
        nonlocal traces
        traces += 1
        return real(*args)

    monkeypatch.setattr(energies.regularizers, "total_variation", counting)
    pictures = smooth(3, 27)
    inverted(pictures[0], steps=3, starts=2)
    assert traces == 2  # of the step and of the final energy
    for picture in pictures:
        inverted(picture, steps=3, starts=2, weights={"tv": 3.0})
    inverted(pictures[0], steps=3, weights={"tv": [1.0, 2.0]})
    assert traces == 2


def test_rougher_pictures_where_variation_costs_less():
    result = inverted(smooth(1), weights={"tv": [1.0, 10.0, 100.0]})
    errors = relative(tiny(), "conv1", result.images[:, 0], smooth(1))
    roughness = [float(vz.regularizers.total_variation(x, 2.0)) for x in jnp.asarray(result.images)]
    assert errors[0] < errors[1] < errors[2]
    assert roughness[0] > roughness[1] > roughness[2]
    assert result.recipe["weights"]["tv"] == [1.0, 10.0, 100.0]


def test_a_focus_is_all_that_is_inverted():
    picture, shape = smooth(1), (12, 12, 8)
    reference = np.asarray(seen(tiny(), picture, "conv1"))[0]
    for mask in (focus(shape, side=4), focus(shape, channels=range(4))):
        result = inverted(picture, mask=mask, steps=240)
        apart = np.asarray(seen(tiny(), result.images[:, 0], "conv1"))[0] - reference
        inside, outside = (
            np.linalg.norm(m * apart) / np.linalg.norm(m * reference) for m in (mask, 1 - mask)
        )
        assert 1.5 * inside < outside
        assert inside < 0.4
    assert focus(shape, side=4)[4:8, 4:8].all()
    assert focus(shape, side=4, channels=[1, 3]).sum() == 32


def test_a_strip_of_layers():
    layers = ["conv1", "logits"]
    strip = invert_layers(tiny(), smooth(1)[0], layers, steps=STEPS, batch=2, starts=2, every=STEPS)
    assert strip.images.shape == (2, 2, 1, 24, 24, 3)
    assert strip.frames.shape == (2, 2, 2, 1, 24, 24, 3)
    assert strip.recipe["layer"] == ["conv1", "logits"]
    one = inverted(smooth(1)[0], "logits", starts=2)
    np.testing.assert_array_equal(strip.images[1], one.images[0])


def test_an_interrupted_strip_keeps_its_layers():
    """Those finished, and the one that was cut."""

    def stop(count: int, scores: Any) -> None:
        made.append(count)
        if len(made) == 5:
            signal.raise_signal(signal.SIGINT)

    made: list[int] = []
    with pytest.raises(vz.Interrupted) as caught:
        invert_layers(tiny(), smooth(1)[0], ["conv1", "conv2", "logits"], steps=4, on_step=stop)
    strip = caught.value.result
    assert strip.recipe["layer"] == ["conv1", "conv2"]
    assert np.isfinite(strip.scores).sum(1).tolist() == [4, 1]


def test_artificial_representations():
    target = np.float32([1, 3])[:, None] * np.eye(10, dtype=np.float32)[4]
    result = reconstruct(tiny(), target, "logits", (24, 24, 3), steps=STEPS, batch=2, weights={"tv": 0.0})
    for i in (0, 1):
        told = report_target(tiny(), "logits", result.images[i], target[i])
        assert told["scale"] == target[i, 4]
        acts = vz.activations(tiny(), result.images[i])
        residual = np.linalg.norm(acts["logits"] - target[i]) / np.linalg.norm(target[i])
        np.testing.assert_allclose(told["residual"], [residual], rtol=1e-5)
        np.testing.assert_allclose(told["probability"], acts["probabilities"][:, 4], rtol=1e-5)
    assert (result.final > result.baseline).all()


def test_measures_are_scikit_images():
    a, b = (
        smooth(2, 32),
        np.clip(smooth(2, 32) + 0.1 * np.sin(np.arange(32))[:, None], 0, 1).astype(np.float32),
    )
    for i in (0, 1):
        wanted = metrics.structural_similarity(
            a[i], b[i], channel_axis=-1, data_range=1.0, gaussian_weights=True, use_sample_covariance=False
        )
        np.testing.assert_allclose(ssim(a, b)[i], wanted, atol=1e-5)
        wanted = metrics.peak_signal_noise_ratio(a[i], b[i], data_range=1.0)
        np.testing.assert_allclose(psnr(a, b)[i], wanted, atol=1e-4)
    pairs = [np.sum((a[i].astype(float) - b[j]) ** 2) for i in (0, 1) for j in (0, 1)]
    both = np.concatenate([a, b])
    every = [np.sum((x.astype(float) - y) ** 2) for x in both for y in both]
    np.testing.assert_allclose(mean_pairwise_square(both), np.sum(every) / 12, rtol=1e-6)
    np.testing.assert_allclose(squared_error(a, b), [pairs[0], pairs[3]], rtol=1e-6)


def test_a_ridge_regression_inverts_what_is_linear():
    """Stride-2 averages of smooth pictures: the linear inverse is near, and worse with a large penalty."""
    pictures = smooth(12)
    net = tiny()
    inverse = fit_ridge(net, pictures[:10], "conv1", penalty=1e-6)
    near = squared_error(inverse(seen(net, pictures[10:], "conv1")), pictures[10:])
    flat = squared_error(np.full_like(pictures[10:], pictures.mean()), pictures[10:])
    assert (near < 0.1 * flat).all()
    poor = fit_ridge(net, pictures[:10], "conv1", penalty=10.0)
    assert (squared_error(poor(seen(net, pictures[10:], "conv1")), pictures[10:]) > 2 * near).all()
    whole = fit_ridge(net, pictures[:10], "pool")(seen(net, pictures[:10], "pool"))
    assert whole.shape == (10, 24, 24, 3)
    few = fit_ridge(net, pictures[:2, :6, :6], "conv2")  # fewer positions than features
    assert np.isfinite(few(seen(net, pictures[:2, :6, :6], "conv2"))).all()


def test_inversion_is_nearer_than_the_linear_baseline():
    """As the representation sees it, which is what the paper compares."""
    others = smooth(8, 48, 1)
    picture = others[0] ** 2
    result = invert(CLASSICAL["hogb"], picture, "hogb", starts=2, steps=120)
    told = report_inversion(CLASSICAL["hogb"], "hogb", result.images[0, :, 0], picture, others)
    assert max(told["normalized"]) < 0.5 * told["ridge"]["normalized"][0]
    np.testing.assert_allclose(np.square(told["normalized"]), told["squared"])
    assert told["order"] == np.argsort(told["error"]).tolist()
    assert len(told["psnr"]) == len(told["ssim"]) == 2
    assert crops(picture).shape == (9, *picture.shape)
    np.testing.assert_allclose(crops(picture)[4, 12:36, 12:36].mean(), picture[18:30, 18:30].mean(), rtol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "conv3"}, "unknown layer 'conv3': did you mean 'conv2'"),
        ({"method": "cvpr2016"}, "unknown method 'cvpr2016': did you mean 'cvpr2015'"),
        ({"weights": {"tvv": 1}}, "unknown weight 'tvv': did you mean 'tv'"),
        ({"weights": {"tv": 119.0}}, r"the updates converge with tv below 118.75, not 119"),
        ({"steps": 0}, "steps must be a whole number of 1 or more"),
        ({"mask": np.zeros((12, 12, 8))}, "relative to the norm of the representation, which is 0"),
    ],
)
def test_mistakes(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        invert(tiny(), smooth(1), **{"layer": "conv1"} | options)


def test_mistakes_of_helpers():
    with pytest.raises(InputError, match="a strip is of one or more layers"):
        invert_layers(tiny(), smooth(1)[0], [])
    with pytest.raises(InputError, match=r"channels are 0 \.\.\. 7 here, not \[8\]"):
        focus((4, 4, 8), channels=[8])
    with pytest.raises(InputError, match="has no square of 5 x 5 positions"):
        focus((4, 4, 8), side=5)
    with pytest.raises(InputError, match="must be positive, not 0"):
        fit_ridge(tiny(), smooth(2), "conv1", penalty=0)
    with pytest.raises(InputError, match="two or more that do"):
        mean_pairwise_square(smooth(1))
    with pytest.raises(InputError, match="windows of SSIM are 11 pixels wide"):
        ssim(smooth(1)[:, :9], smooth(1)[:, :9])
    with pytest.raises(InputError, match="unknown layer 'nose'"):
        fit_ridge(tiny(), smooth(2), "nose")


SET = ("camera", "chelsea", "astronaut", "coffee", "rocket", "coins", "moon", "page", "clock", "text", "brick", "grass")  # fmt: skip


@pytest.mark.slow
def test_published_errors_on_camera_and_chelsea():
    """Grey 128 px; limits of the reference implementation's √(err² / mean pairwise²); no worse than linear."""
    others = np.stack([grey(name) for name in SET])
    errors = {}
    for name, net in CLASSICAL.items():
        result = invert(net, others[:2], name)
        unit = mean_pairwise_square(seen(net, others, name))
        reference = seen(net, others[:2], name)
        errors[name] = np.sqrt(squared_error(seen(net, result.images[:, 0], name), reference) / unit)
        linear = fit_ridge(net, others[2:], name)(reference)
        assert (errors[name] < 0.7 * np.sqrt(squared_error(seen(net, linear, name), reference) / unit)).all()
    assert (errors["hog"] <= 0.35).all()
    assert (errors["hogb"] <= 0.15).all()
    assert (errors["hogb"] < 0.5 * errors["hog"]).all()
    assert (errors["dsift"] <= 0.18).all()


@pytest.mark.slow
def test_errors_of_hogb_rise_with_total_variation():
    result = invert(CLASSICAL["hogb"], grey("chelsea"), "hogb", weights={"tv": [1.0, 10.0, 100.0]})
    errors = relative(CLASSICAL["hogb"], "hogb", result.images[:, 0], grey("chelsea")[None])
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hog", "hogb"])
def test_two_pictures_of_one_hog(name: str):
    """Tatu et al.: from chelsea to camera's HOG, and still more like chelsea."""
    wanted, start = grey("camera"), grey("chelsea")
    found = invert(CLASSICAL[name], wanted, name, start=start).images[0]
    assert relative(CLASSICAL[name], name, found, wanted[None])[0] <= 0.35
    like_start, like_wanted = (np.corrcoef(found.ravel(), x.ravel())[0, 1] for x in (start, wanted))
    assert like_start > like_wanted


@pytest.mark.slow
def test_shallow_layers_of_a_net_invert_better_than_deep_ones():
    net = vz.load("efficientnet_lite0")
    picture = jax.image.resize(data.chelsea()[:300, 75:375] / np.float32(255), (96, 96, 3), "linear")
    picture = jnp.clip(picture, 0, 1)
    layers = ["stem", "blocks.2", "blocks.4", "blocks.10"]
    strip = invert_layers(net, picture, layers)
    errors = [
        relative(net, name, found, picture[None])[0] for name, found in zip(layers, strip.images, strict=True)
    ]
    assert errors[0] <= 0.2
    assert (np.diff(errors) > 0).all()
    apart = squared_error(strip.images[:, 0], picture[None])
    assert (np.diff(apart) > 0).all()
