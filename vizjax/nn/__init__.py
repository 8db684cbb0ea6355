"""Operators whose gradients or speed XLA lacks, and the rules for non-linearities.

Nets and image operators call these. Each picks, per platform, the form that was measured to be
fastest there; inside `lax_only` all of them are plain `lax`, which also allows forward mode.
"""

from vizjax.nn.convolution import conv
from vizjax.nn.gaussian import gaussian_blur, gaussian_radius
from vizjax.nn.pooling import adaptive_avg_pool, avg_pool, local_response_norm, max_pool
from vizjax.nn.prepared import prepared
from vizjax.nn.rectify import Rectify, plain, redirected
from vizjax.nn.switch import lax_only, uses_lax_only
from vizjax.nn.winograd import winograd_conv, winograd_filters

__all__ = [
    "Rectify",
    "adaptive_avg_pool",
    "avg_pool",
    "conv",
    "gaussian_blur",
    "gaussian_radius",
    "lax_only",
    "local_response_norm",
    "max_pool",
    "plain",
    "prepared",
    "redirected",
    "uses_lax_only",
    "winograd_conv",
    "winograd_filters",
]
