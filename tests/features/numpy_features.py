"""HOG and dense SIFT in numpy, in the paper's own terms: filters, windows, explicit blocks."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def grey(picture):
    return picture[..., 0] if picture.shape[-1] == 1 else picture @ np.array([0.299, 0.587, 0.114])


def angles(count):
    """(cos, sin) of 2πk/count; those that mirror each other are made from the same numbers."""
    found = np.zeros((count, 2))
    for k in range(count):
        turn = k / count
        c = abs(np.cos(2 * np.pi * min(turn, 1 - turn, abs(0.5 - turn))))
        s = np.sqrt(1 - c * c) if c < 1 else 0.0
        c = 0.0 if s == 1 else c
        found[k] = (-c if 0.25 < turn < 0.75 else c), (-s if turn > 0.5 else s)
    return found


def bins(picture_around, orientations, soft, scale):
    """Magnitudes by direction, of all pixels but the outermost."""
    right, left = picture_around[1:-1, 2:], picture_around[1:-1, :-2]
    below, above = picture_around[2:, 1:-1], picture_around[:-2, 1:-1]
    x, y = scale * (right - left), scale * (below - above)
    length = np.sqrt(x**2 + y**2)
    along = np.stack([x * c + y * s for c, s in angles(2 * orientations)], axis=-1)
    if soft:
        cosine = along / np.where(length > 0, length, 1)[..., None]
        angle = np.arccos(np.clip(cosine, -(1 - 1e-7), 1 - 1e-7))
        share = np.maximum(0, 1 - orientations / np.pi * angle)
    else:
        share = np.eye(2 * orientations)[along.argmax(axis=-1)]
    return length[..., None] * share


def pooled(x, cell, pad):
    """Windows of 2·cell × 2·cell each ``cell`` pixels, weighted by a triangle in both directions."""
    triangle = 1 - abs(np.arange(2 * cell) - (cell - 0.5)) / cell
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(x, (2 * cell, 2 * cell), axis=(0, 1))[::cell, ::cell]
    return np.einsum("hwkij,i,j->hwk", windows, triangle, triangle)


def hog(picture, cell=8, orientations=9, soft=False, border=0.0):
    x = bins(np.pad(grey(picture), 1, constant_values=border), orientations, soft, 0.5)
    x = pooled(x, cell, cell // 2)
    x = np.concatenate([x, x[..., :orientations] + x[..., orientations:]], axis=-1)
    found = np.zeros_like(x)
    for i in range(x.shape[0] - 1):
        for j in range(x.shape[1] - 1):
            block = x[i : i + 2, j : j + 2]
            norm = max(np.linalg.norm(block[..., 2 * orientations :]), 1e-6)
            found[i : i + 2, j : j + 2] += 0.5 * np.minimum(block / norm, 0.2)
    return found


def dsift(picture, cell=5, orientations=4):
    x = pooled(bins(grey(picture), orientations, True, 0.5), cell, 0)
    offset = np.arange(4) - 1.5
    weight = np.exp(-0.5 * (offset[:, None] ** 2 + offset**2) / 1.5**2)[..., None]
    rows = []
    for i in range(0, x.shape[0] - 3, 3):
        row = [(x[i : i + 4, j : j + 4] * weight).ravel() for j in range(0, x.shape[1] - 3, 3)]
        rows.append([np.minimum(d / np.sqrt(1e-6 + np.sum(d**2)), 0.2) for d in row])
    return np.array(rows)


def vlfeat(picture, cell=8, orientations=9, soft=False):
    """Pixel by pixel, each into the four cells around it."""
    shown = grey(picture)
    directed = bins(shown, orientations, soft, 1.0)
    tall, wide = ((side + cell // 2) // cell for side in shown.shape)
    cells = np.zeros((tall + 2, wide + 2, 2 * orientations))  # with what falls outside
    for row in range(directed.shape[0]):
        for column in range(directed.shape[1]):
            # the outermost pixels are skipped: what is first is at (1, 1)
            at = [(p + 1.5) / cell - 0.5 for p in (row, column)]
            i, j = (int(np.floor(a)) for a in at)
            down, right = at[0] - i, at[1] - j
            for di, wi in ((0, 1 - down), (1, down)):
                for dj, wj in ((0, 1 - right), (1, right)):
                    cells[min(i + di, tall) + 1, min(j + dj, wide) + 1] += wi * wj * directed[row, column]
    cells = cells[1:-1, 1:-1]
    undirected = cells[..., :orientations] + cells[..., orientations:]
    energy = np.pad(np.sum(undirected**2, axis=-1), 1, mode="edge")
    found = np.zeros((tall, wide, 3 * orientations + 4))
    for i in range(tall):
        for j in range(wide):
            for which, (top, left) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                factor = 1 / np.sqrt(energy[i + top : i + top + 2, j + left : j + left + 2].sum() + 1e-4)
                both = np.concatenate([cells[i, j], undirected[i, j]]) * factor
                cut = np.minimum(both, 0.2)
                found[i, j, :-4] += 0.5 * cut
                found[i, j, 3 * orientations + which] = cut[2 * orientations :].sum() / np.sqrt(18)
    return found
