"""Updates from several."""

import optax

from vizjax.factory import factory


@factory
def chain(*parts: optax.GradientTransformation) -> optax.GradientTransformation:
    """One after the other, as `optax.chain`: the same object for the same parts, which recipes can name.

    Args:
        *parts: Optax transformations; the first sees the gradient.

    Returns:
        An Optax transformation.

    Example:
        >>> from vizjax import updates
        >>> from vizjax.factory import recipe
        >>> recipe(chain(updates.clip_gradient(1.0), updates.adamw(0.009)))
        'chain(clip_gradient(1.0), adamw(0.009))'
    """
    return optax.chain(*parts)
