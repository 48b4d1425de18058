"What the tests of drawings share: arrays to draw, and a look at what was drawn."
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.offsetbox import AnchoredOffsetbox, TextArea

H, W, N = 60, 80, 12   # height, width, number of regions
_rng = np.random.default_rng(3)
IMAGE = _rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
LABELS = (np.arange(H)[:, None]//20)*4 + np.arange(W)[None]//20
ORDER = _rng.permutation(N)
AREA = np.linspace(0, 1, N + 1)
SALIENCY = np.linspace(0, 1, H*W).reshape(H, W)
WORDS = "A man with a tie , on a beach .".split()
INFLUENCE = np.linspace(0, .9, len(WORDS))
NASTY = ["<script>alert(1)</script>", "$x_1$", "$5", "and", "$6", "\\frac{", "🐱", "猫", "\n", "", "\x00", "\ud800",
         "x"*300, "a&b\"'"]


def texts(fig):
    "Everything written in a figure."
    out = list(fig.texts)
    for ax in fig.axes:
        out += [*ax.texts, ax.title]
        if ax.axison: out += [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        if ax.get_legend(): out += ax.get_legend().get_texts()
    out += scale_texts(fig)
    return [t for t in out if t.get_visible() and t.get_text()]


def scale_texts(fig):
    "What is written at the scales of maps, in the order of the axes."
    scales = [a for ax in fig.axes for a in ax.artists if isinstance(a, AnchoredOffsetbox)]
    return [t for s in scales for part in s.findobj(TextArea) for t in part.get_children()]


def draw(fig):
    "Draw a figure and return the renderer."
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return canvas.get_renderer()


def assert_tidy(fig):
    "Every text lies inside the figure and is at least 7 points high."
    renderer, frame = draw(fig), fig.bbox
    for t in texts(fig):
        b = t.get_window_extent(renderer)
        inside = b.x0 >= frame.x0 - 1 and b.x1 <= frame.x1 + 1 and b.y0 >= frame.y0 - 1 and b.y1 <= frame.y1 + 1
        assert inside, (t.get_text(), b, frame)
        assert t.get_fontsize() >= 7, t.get_text()


def shaped(h, w):
    "Keyword arguments for drawings of a flat image of any shape: image, saliency, labels, order, area."
    n = min(N, h*w)
    return dict(image=IMAGE[:1, :1].repeat(h, 0).repeat(w, 1), saliency=np.zeros((h, w)),
                labels=np.arange(h*w).reshape(h, w)*n//(h*w), order=np.arange(n), area=np.linspace(0, 1, n + 1))


SHAPES = [(60, 80), (20, 160), (160, 20), (1, 1)]
