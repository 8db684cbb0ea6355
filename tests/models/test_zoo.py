"""Every model of the zoo equals its reference, layer by layer, and is fit for visualization."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import GOLDENS, SIBLINGS, golden, marked, pictures, reference_arrays

import vizjax as vz
from vizjax.activations import layer_names
from vizjax.models import MODELS, labels
from vizjax.models.weights import blank as make_blank
from vizjax.models.weights import convert
from vizjax.program import flat
from vizjax.recipes.seeing import seen

# golden file -> model, where they are not called the same: other layouts of the same networks
OTHERS = {
    "inceptionv1_lucent": "inceptionv1",
    "timm_vgg11": "vgg11",
    "timm_mobilenetv2_100": "mobilenet_v2",
    "timm_convnext_tiny": "convnext_tiny",
    "timm_tf_efficientnet_lite0": "efficientnet_lite0",
}
FILES = sorted(path.stem for path in (GOLDENS / "zoo").glob("*.npz"))


@functools.cache
def blank(name):
    return make_blank(MODELS[name])


def sizes(file):
    return [int(key.removesuffix("/values")) for key in file if key.endswith("/values")]


def cases():
    for name in FILES:
        for i, size in enumerate(sizes(golden(name))):
            yield pytest.param(
                name, size, id=f"{name}-{size}", marks=[pytest.mark.slow] if i or name in SIBLINGS else []
            )


def test_every_model_has_its_goldens():
    assert {OTHERS.get(name, name) for name in FILES} == set(MODELS)
    for name in FILES:
        file = golden(name)
        assert name.startswith("timm") or len(set(file["layers"]) - {"logits"}) >= 4
        assert name.startswith(("timm", "inceptionv1_lucent")) or len(sizes(file)) == 2


def errors(net, name, size):
    file, found = golden(name), {}
    names = (*file["layers"], "logits")
    acts = dict(zip(names, seen(net, pictures(size), names), strict=True))
    for row, layer in enumerate(file["layers"]):
        expected = file[f"{size}/values"][row]
        if np.isfinite(expected).all():
            ours = np.asarray(acts[layer]).reshape(2, -1)[:, file[f"{size}/index"][row]]
            found[layer] = np.abs(ours - expected).max() / file[f"{size}/scale"][row]
    if f"{size}/logits" in file:
        expected = file[f"{size}/logits"]
        found["all logits"] = np.abs(acts["logits"] - expected).max() / np.sqrt((expected**2).mean())
    return found


@pytest.mark.parametrize(("name", "size"), list(cases()))
def test_a_model_equals_its_reference(name, size):
    net = convert(MODELS[OTHERS.get(name, name)], reference_arrays(name), name)
    if name == "inceptionv1_lucent":
        net.norm = (9, 1e-4, 0.5, 1.0)  # torch-lucent's; Google's graph has the other
    found = errors(net, name, size)
    print(name, size, f"{max(found.values()):.1e}", len(found))
    assert max(found.values()) < 1e-4, found


@pytest.mark.parametrize("name", FILES)
def test_goldens_tell_the_two_pictures_apart(name):
    file = golden(name)
    for size in sizes(file):
        values = file[f"{size}/values"]
        moved = np.abs(values[:, 0] - values[:, 1]).max(1) / file[f"{size}/scale"]
        assert (moved[np.isfinite(moved)] > 10 * 1e-4).all()


@pytest.mark.parametrize("name", ["squeezenet1_1", "alexnet"])
def test_goldens_tell_colours_and_weights_apart(name):
    arrays, size = reference_arrays(name), sizes(golden(name))[0]
    net = convert(MODELS[name], arrays, name)
    first = next(key for key in arrays if arrays[key].ndim == 4)
    swapped = convert(MODELS[name], arrays | {first: arrays[first][:, ::-1]}, name)
    net.preprocess = net.preprocess._replace(bgr=True)
    for wrong in (net, swapped):
        assert min(errors(wrong, name, size).values()) > 10 * 1e-4


# --- fit for visualization ---------------------------------------------------------------------------


def program(name, rectify):
    net = blank(name)
    structure, leaves = jax.tree.structure(net), jax.tree.leaves(net)

    def run(leaves, picture):
        return vz.activations(jax.tree.unflatten(structure, leaves), picture, rectify=rectify)["logits"]

    shape = jax.ShapeDtypeStruct((1, *net.input_shape), jnp.float32)
    with vz.nn.lax_only():
        return {step.name for step in flat(jax.make_jaxpr(run)(leaves, shape)).steps}


@pytest.mark.parametrize("name", marked(MODELS))
def test_every_nonlinearity_goes_through_rectify(name):
    nonlinear = {"max", "min", "erf", "erfc", "clamp", "tanh", "logistic"}
    assert program(name, vz.nn.plain) & nonlinear
    assert not program(name, lambda f, x, step=0: x) & nonlinear


ANY_SIZE = {
    name for name in MODELS if name.startswith(("efficientnet", "res", "wide", "mobilenet", "inceptionv1"))
}


@pytest.mark.parametrize("name", marked(MODELS))
def test_it_runs_at_any_sensible_size(name):
    """Shapes alone: every layer at a larger and an odd size, or a clear answer below the least."""
    net = blank(name)

    def shapes(height, width):
        picture = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
        return jax.eval_shape(lambda net, x: list(vz.activations(net, x).values()), net, picture)

    outputs = (1, len(labels.read(MODELS[name].labels)))
    assert shapes(161, 256)[-1].shape == outputs
    if name in ANY_SIZE:
        assert shapes(1, 1)[-1].shape == outputs
    else:
        with pytest.raises(
            vz.InputError, match=r"cannot be computed on pictures of \(8, 8\) pixels.*use larger ones"
        ):
            shapes(8, 8)


@pytest.mark.parametrize("name", marked(MODELS))
def test_names_that_every_model_has(name):
    model, names = MODELS[name], layer_names(blank(name))
    assert len(names) == len(set(names))
    assert names[-2:] == ["logits", "probabilities"]
    assert model.layer in names


@pytest.mark.parametrize("name", marked(MODELS))
def test_labels_are_as_many_as_outputs(name):
    assert len(vz.unit_names(named(name))) == vz.layers(blank(name))["logits"].channels


def named(name):
    net = make_blank(MODELS[name])
    net.name = name
    return net


def test_labels_are_those_that_the_pictures_show():
    names = vz.unit_names(vz.load("efficientnet_lite0"))
    logits = seen(vz.load("efficientnet_lite0"), pictures(160), "logits")
    cat, coffee = (names[i] for i in np.argmax(logits, -1))
    assert cat in ("Egyptian cat", "tabby", "tiger cat")
    assert coffee == "espresso"


def test_labels_of_inceptionv1_are_in_its_own_order():
    """By synsets: 235 German shepherd and 282 tiger cat of ImageNet's list stand elsewhere there."""
    names, usual = labels.read("inception5h"), labels.read("imagenet")
    assert (names[0], names[1], names[1000]) == ("dummy", "kit fox", "dumbbell")
    assert set(names[1001:]) == {""}
    assert len(set(names[1:1001]) & set(usual)) > 950


@pytest.mark.parametrize(
    ("text", "unit"), [("tiger cat", 282), ("Tiger CAT", 282), ("Cardigan", 264), ("cardigan", 474)]
)
def test_a_class_is_found_by_its_name(text, unit):
    assert labels.unit_named(text, labels.read("imagenet")) == unit


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("tiger cap", "imagenet", "unknown class 'tiger cap': did you mean 'tiger cat'"),
        ("CARDIGAN", "imagenet", r"means several; give the number: 264 \(Cardigan\) or 474 \(cardigan\)"),
        ("crane", "inception5h", r"means several; give the number: 429 \(crane\) or 545 \(crane\)"),
        ("", "inception5h", "unknown class ''"),
    ],
)
def test_a_class_that_is_not_one(text, names, message):
    with pytest.raises(vz.InputError, match=message):
        labels.unit_named(text, labels.read(names))


def test_units_of_other_layers_and_nets_have_no_names():
    net = vz.load("efficientnet_lite0")
    assert vz.unit_names(net, "blocks.4") == ()
    assert vz.unit_names(net, "probabilities") == vz.unit_names(net)
    with pytest.raises(vz.UnknownName, match="did you mean 'logits'"):
        vz.unit_names(net, "logit")
    net.name = "mine"
    assert vz.unit_names(net) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(MODELS))
def test_an_atlas_of_every_model(name, tmp_path):
    net = vz.load(name, "random")
    atlas = vz.atlas.build(net, out=tmp_path / name, units=range(2), size=96, steps=4)
    layer = atlas[MODELS[name].layer]
    assert layer.images.shape == (2, 1, 96, 96, 3)
    assert np.isfinite(layer.scores).all()
    assert (layer.images.std((2, 3, 4)) > 1).all()
