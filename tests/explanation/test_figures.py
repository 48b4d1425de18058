"Whole figures from plain arrays: what stands where, what is refused, and that nothing is clipped."
import json
import sys

import matplotlib
import numpy as np
import pytest
from drawing import (AREA, H, IMAGE, INFLUENCE, LABELS, NASTY, ORDER, SALIENCY, SHAPES, W, WORDS, assert_tidy,
                     scale_texts, shaped, texts)

from eagle_nb.explanation import figures, plots, typography
from eagle_nb.explanation.scales import NOTHING, Scale, Unit

CHANGE = Unit("change", NOTHING)


def sentence(words=WORDS, influence=INFLUENCE, title="Describe the image.", **kwargs):
    return figures.figure_sentence(IMAGE, SALIENCY, LABELS, ORDER, AREA, AREA**.5, 1 - AREA, words, influence,
                                   title=title, **kwargs)


def curves(**kwargs):
    "An item with a map and curves."
    return dict(saliency=SALIENCY, area=AREA, insertion=AREA, deletion=1 - AREA) | kwargs


def test_style_of_the_user_is_left_alone():
    before = dict(matplotlib.rcParams)
    sentence()
    assert dict(matplotlib.rcParams) == before
    if "matplotlib.pyplot" in sys.modules: assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_sentence_hands_opacity_and_colours_to_the_heat_map_alone():
    default, changed = sentence(), sentence(alpha=.3, cmap="cividis")
    regions, heat, *_ = (ax.images[0].get_array() for ax in changed.axes if ax.images)
    assert np.array_equal(heat, plots.overlay(IMAGE, SALIENCY, .3, "cividis"))
    assert np.array_equal(regions, default.axes[0].images[0].get_array())
    assert np.array_equal(default.axes[1].images[0].get_array(), plots.overlay(IMAGE, SALIENCY))


@pytest.mark.filterwarnings("ignore:no installed font")
def test_any_text_can_be_drawn():
    v = np.linspace(0, 1, len(NASTY))
    for fig in (sentence(words=NASTY, influence=v, title="$x_ <b> 猫 \\frac{ " + "long "*80),
                figures.figure_words(IMAGE, [dict(word=w, saliency=SALIENCY) for w in NASTY])):
        assert plots.figure_png(fig, dpi=60)[:4] == b"\x89PNG"


@pytest.mark.parametrize("h, w", SHAPES)
def test_figures_are_tidy_at_any_shape(h, w):
    a = shaped(h, w)
    image, saliency, labels, order, area = (a[k] for k in ("image", "saliency", "labels", "order", "area"))
    long_title = "Describe the image. "*12
    assert_tidy(figures.figure_sentence(image, saliency, labels, order, area, area, 1 - area, WORDS, INFLUENCE,
                                        title=long_title))
    word = dict(word="man", saliency=saliency, mask=saliency > 0, insertion=.5, deletion=.1)
    assert_tidy(figures.figure_words(image, [word]*6))
    assert_tidy(figures.figure_steps(image, labels, order, area, 9))
    setting = dict(title="necessity twice", saliency=saliency, area=area, insertion=area, deletion=1 - area)
    assert_tidy(figures.figure_settings(image, [setting]*6))


@pytest.mark.filterwarnings("ignore:no installed font")
def test_latin_stays_in_its_font_and_the_rest_in_the_language_of_the_figure():
    fig = sentence(words=["猫", "cat猫"], influence=[0, 1], title="猫がいる。a cat")
    drawn = [t for t in texts(fig) if "猫" in t.get_text()]
    assert len(drawn) == 3
    for t in drawn: assert t.get_fontfamily() == typography.font_families(t.get_text(), "ja")[0]
    assert all(t.get_fontfamily() == [typography.BASE] for t in texts(fig) if t.get_text().isascii())


@pytest.mark.filterwarnings("ignore:no installed font")
def test_titles_without_spaces_are_broken_at_the_width_of_their_characters():
    title = "一只猫坐在沙发上"*20
    lines = figures.wrap_title(title)
    assert "".join(lines) == title and max(map(plots.text_columns, lines)) <= 105
    if not typography.font_families(title)[1]: assert_tidy(sentence(title=title))   # boxes are wider than characters
    assert figures.wrap_title("a  b\n\nc") == ["a b", "", "c"] and figures.wrap_title("") == [""]


@pytest.mark.filterwarnings("ignore:no installed font")
def test_names_are_cut_between_characters():
    fig = figures.figure_words(IMAGE, [dict(word="e\u0301"*80, saliency=SALIENCY), dict(word="漢字"*20, saliency=SALIENCY)])
    _, accents, han = (ax.get_title() for ax in fig.axes[:3])
    assert accents.endswith("e\u0301…") and plots.text_columns(han) <= plots.text_columns(accents)
    assert_tidy(fig)


def test_settings_stand_next_to_each_other():
    items = [curves(title=t, insertion=p*AREA, unit=CHANGE) for t, p in (("one", 1), ("other", .5))]
    fig = figures.figure_settings(IMAGE, items, mask=SALIENCY > .5)
    titles = [a.get_title() for a in fig.axes]
    areas = ["insertion 0.50\ndeletion 0.50", "insertion 0.25\ndeletion 0.50"]
    assert titles == ["one", "other", "", *areas, "", ""]
    keys = ["outline: the object", "insertion: regions are shown", "deletion: regions are removed"]
    assert [t.get_text() for t in scale_texts(fig)] == ["0", "1", "change", *keys]
    assert np.array_equal(fig.axes[4].lines[0].get_ydata(), .5*AREA) and not fig.axes[2].axison


def test_methods_share_a_scale_where_they_have_a_unit_and_always_their_curves():
    items = [curves(method="first", saliency=3*SALIENCY - 1), curves(method="second", insertion=.5*AREA, unit=CHANGE),
             curves(method="third", saliency=.5*SALIENCY, unit=CHANGE)]
    fig = figures.figure_methods(IMAGE, items)
    whole, first, second, third, insertion, deletion, names, foot = fig.axes
    areas = "ins. 0.50  del. 0.50"
    assert [a.get_title() for a in (whole, first, third)] == ["image", f"first\n{areas}", f"third\n{areas}"]
    assert np.array_equal(first.images[0].get_array(), plots.overlay(IMAGE, SALIENCY)), "from its smallest value on"
    assert np.array_equal(third.images[0].get_array(), plots.overlay(IMAGE, .5*SALIENCY, scale=Scale(1.)))
    written = [t.get_text() for t in scale_texts(fig)]
    assert written == ["0", "3", "0", "1", "change", "scales below the maps: without a unit",
                       "ins., del.: area under the insertion, the deletion curve"]
    assert np.array_equal(insertion.lines[1].get_ydata(), .5*AREA) and len(deletion.lines) == 3
    assert [t.get_text() for t in names.get_legend().get_texts()] == ["first", "second", "third"]
    assert_tidy(fig)


def heats(fig): return [a.images[0].get_array() for a in fig.axes[1:] if a.images]


def test_words_are_on_one_scale_unless_it_is_not_wanted():
    items = [dict(word="handbag", saliency=.3*SALIENCY), dict(word="cake", saliency=.03*SALIENCY),
             dict(word="a", saliency=.003*SALIENCY - .001)]
    shared, own = figures.figure_words(IMAGE, items, unit=CHANGE), figures.figure_words(IMAGE, items, "own", CHANGE)
    for k, size in enumerate((.3, .03)):
        assert np.array_equal(heats(shared)[k], plots.overlay(IMAGE, size*SALIENCY, scale=Scale(.3)))
        assert np.array_equal(heats(own)[k], plots.overlay(IMAGE, SALIENCY))
    for fig in (shared, own):
        assert np.array_equal(heats(fig)[2], IMAGE), "what nothing moves does not glow"
        assert fig.axes[3].texts[0].get_text().replace("\n", " ") == "no region moves it: largest change 0.002"
        assert_tidy(fig)
    assert [t.get_text() for t in scale_texts(shared)] == ["0", "0.3", "change"]
    assert " ".join(t.get_text() for t in scale_texts(own)) == "0 0.3 0 0.03 scales below the maps: change"
    assert [a.get_title() for a in own.axes[1:4]] == ["handbag", "cake", "a"]


def test_a_scale_is_shared_by_several_figures():
    scale = Scale(2., unit=CHANGE)
    one = figures.figure_answer(IMAGE, {"one": SALIENCY}, WORDS, INFLUENCE, scale=scale)
    two = figures.figure_words(IMAGE, [dict(word="two", saliency=.5*SALIENCY)], scale)
    assert np.array_equal(heats(one)[0], plots.overlay(IMAGE, SALIENCY, scale=scale))
    assert np.array_equal(heats(two)[0], plots.overlay(IMAGE, .5*SALIENCY, scale=scale))
    assert [t.get_text() for f in (one, two) for t in scale_texts(f)] == ["0", "2", "change"]*2
    assert_tidy(one)


@pytest.mark.parametrize("scale", ["shared", "own"])
def test_grids_take_opacity_colours_and_lines(scale):
    items = [dict(word="a", saliency=SALIENCY), dict(word="b", saliency=SALIENCY - .5)]
    for look in (dict(alpha=.2), dict(cmap="cividis"), dict(contours=True)):
        for fig in (figures.figure_words(IMAGE, items, scale, CHANGE, signed=True, **look),
                    figures.figure_answer(IMAGE, {"a": SALIENCY}, WORDS, INFLUENCE, "t", scale, CHANGE, **look),
                    figures.figure_methods(IMAGE, [curves(method="m", unit=CHANGE)], scale=scale, **look),
                    figures.figure_settings(IMAGE, [curves(title="m")], scale=scale, **look)):
            assert_tidy(fig)
            untouched = [np.array_equal(a.images[0].get_array(), IMAGE) for a in fig.axes if a.images and a.images[0].get_array().shape == IMAGE.shape]
            assert all(untouched) == ("contours" in look)


def test_a_flat_map_of_a_method_says_so():
    fig = figures.figure_methods(IMAGE, [curves(method="flat", saliency=np.full((H, W), 7.)), curves(method="m", unit=CHANGE)])
    assert fig.axes[1].texts[0].get_text().replace("\n", " ") == "the map is the same everywhere"
    assert np.array_equal(fig.axes[1].images[0].get_array(), IMAGE)


def test_steps_reveal_the_order():
    fig = figures.figure_steps(IMAGE, LABELS, ORDER, AREA, [0, 3])
    blank, three = (a.images[0].get_array() for a in fig.axes[:2])
    assert not blank.any() and (three == IMAGE*np.isin(LABELS, ORDER[:3])[..., None]).all()
    assert [t.get_text() for a in fig.axes for t in a.texts] == ["p = 0.00", "p = 0.25"]


@pytest.mark.parametrize("call, message", [
    (lambda: figures.figure_words(IMAGE, []), "at least one word"),
    (lambda: figures.figure_words(IMAGE, [dict(word="x", saliency=SALIENCY)], "mine"), "unknown scale 'mine'"),
    (lambda: figures.figure_words(IMAGE, [dict(word="x", saliency=SALIENCY*np.nan)]), "must be finite"),
    (lambda: figures.figure_words(IMAGE, [dict(word="x", saliency=SALIENCY)], alpha=1.5), "alpha must lie"),
    (lambda: figures.figure_methods(IMAGE, [curves(method="x", saliency=SALIENCY + np.inf)]), "must be finite"),
    (lambda: figures.figure_words(IMAGE, [{"word": "x"}]), "saliency"),
    (lambda: figures.figure_settings(IMAGE, []), "at least one setting"),
    (lambda: figures.figure_settings(IMAGE, [curves(title="x", insertion=AREA[1:])]), "insertion must have"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA[1:]), "one more than order"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA, [0, 13]), "from 0 to 12"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA, []), "from 0 to 12"),
])
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message): call()


def test_figures_show_themselves():
    from IPython.core.formatters import PNGFormatter
    assert PNGFormatter()(sentence())[:4] == b"\x89PNG"


def test_image_and_data_are_saved_next_to_each_other(tmp_path):
    fig, folder = sentence(), tmp_path/"deep"
    data = dict(x=np.float32(.5), y=np.array([1, 2]), z=float("nan"), s={2, 1}, w=["猫"], b=np.bool_(True))
    files = plots.save_figure(fig, folder/"a.pdf", data, dpi=50)
    assert sorted(f.name for f in folder.iterdir()) == ["a.json", "a.pdf", "a.png"]
    assert sorted(f.name for f in files) == ["a.json", "a.pdf", "a.png"]
    saved = json.loads((folder/"a.json").read_text("utf-8"))
    assert saved == dict(x=.5, y=[1, 2], z=None, s=[1, 2], w=["猫"], b=True)
    assert [f.name for f in plots.save_figure(fig.axes[0], tmp_path/"v1.2", dpi=50)] == ["v1.2.png"]
    assert plots.figure_png(fig, 50) == plots.figure_png(fig, 50)
