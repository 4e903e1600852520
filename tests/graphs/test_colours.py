"""The colours of the atlas: told apart by every eye, and readable."""

from __future__ import annotations

import numpy as np
import pytest

from n2g.graphs.colours import BLUES, BLUES_DARK, REDS, REDS_DARK, STRONG

# How a full deficiency sees linear RGB (Machado, Oliveira and Fernandes, 2009).
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
THEMES = {
    "light": (REDS, BLUES, "#111111", "#ffffff"),
    "dark": (REDS_DARK, BLUES_DARK, "#f2f2f2", "#14100f"),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    """Linear RGB of "#rrggbb"."""
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(colour: str, eye: str) -> np.ndarray:
    """CIELAB of a colour as an eye sees it: distances are what people tell apart, about 2 at the least."""
    ratios = XYZ @ np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_scales_and_their_steps_apart(theme, eye):
    reds, blues, *_ = THEMES[theme]
    for red, blue in zip(reds, blues, strict=True):
        assert np.linalg.norm(seen(red, eye) - seen(blue, eye)) > 7
    for colours in (reds, blues):
        steps = np.diff([seen(colour, eye)[0] for colour in colours])
        assert (abs(steps) > 3).all()
        assert len(set(np.sign(steps))) == 1


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_every_colour(theme):
    *scales, ink, strong_ink = THEMES[theme]
    for colours in scales:
        for step, colour in enumerate(colours, start=1):
            text = strong_ink if step >= STRONG else ink
            low, high = sorted(XYZ[1] @ linear(one) + 0.05 for one in (colour, text))
            assert high / low >= 4.5
