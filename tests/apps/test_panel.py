"The panel without a browser: what it shows, what it refuses, how work is cancelled, and that nothing is left behind."
import gc
import html
import json
import threading
import time

import matplotlib
import numpy as np
import pytest

from eagle_nb.apps import panel as panel_module
from eagle_nb.apps.panel import Cancelled, Panel, figure_notice
from eagle_nb.apps.status import front_values
from eagle_nb.explanation import plots
from widget_help import image_html, open_widgets, set_cell, set_frontend, text_html

LONG = 20   # seconds after which a thread that does not answer is a failure


@pytest.fixture(params=["headless", "live"])
def mode(request, monkeypatch):
    "The work at once, and in a thread."
    set_frontend(monkeypatch, lambda: request.param == "live")
    return request.param


@pytest.fixture
def live(monkeypatch): set_frontend(monkeypatch, lambda: True)


def drawn(result, **values):
    "A small figure that differs from result to result."
    fig = plots.new_figure(1, .5)
    fig.text(.1, .4, str(result), parse_math=False)
    return fig


def in_words(result, **values): return f"it is {result}"


class Work:
    "A `compute` that notes what it was asked, and that waits where a test wants it: `hold` names values of x."
    def __init__(self, hold=()):
        self.asked, self.hold, self.running, self.most = [], set(hold), 0, 0
        self.held, self.released = threading.Event(), threading.Event()
    def __call__(self, progress, **values):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.asked.append(tuple(values.values()))
            if any(values["x"] == h for h in self.hold):
                self.held.set()
                assert self.released.wait(LONG)
            progress(1, 2, "steps")
            return "-".join(map(str, values.values()))
        finally: self.running -= 1
    def until_held(self): assert self.held.wait(LONG)
    def release(self):
        self.hold.clear()
        self.released.set()


@pytest.fixture
def make_panel():
    "Panels that are closed after the test."
    made = []
    def build(controls, compute, figure=drawn, text=in_words, *args, **kwargs):
        made.append(Panel(controls, compute, figure, text, *args, **kwargs))
        return made[-1]
    yield build
    for p in made: p.close()


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(.005)


def line(panel):
    "What the line in the browser would say while the kernel answers: the state, and whether the figure is greyed out."
    r = panel.line.report
    assert r["values"] == front_values(panel.controls), "else it would say for ever that it waits for the kernel"
    return r["status"], r["shown"] is not None and r["shown"] != r["values"]


def screen(panel): return image_html(panel), html.unescape(text_html(panel)), line(panel)


def click(panel, ask): panel.line._hear(panel.line, dict(ask=ask, clicks=panel.line.report["clicks"] + 1), [])


def png_of(panel): return panel._repr_mimebundle_()["image/png"]


def shows(panel, x, result):
    "The panel, its screen and its words agree on what is shown."
    s, (image, text, state) = panel.state(), screen(panel)
    words = f"it is {result}"
    return (s["status"] == "ready" and s["shown"]["x"] == x and panel.result() == result
            and words in panel.text() and words in text and png_of(panel) in image and state == ("ready", False)
            and not s["stale"])


# --- controls

def test_controls_are_turned_by_name_and_by_hand(mode, make_panel):
    work = Work()
    controls = dict(x=[1, 2, 3], y=(0, 4))
    p = make_panel(controls, work, numbers=lambda r, x, y: dict(sum=x + y), start=dict(y=3)).wait(LONG)
    assert shows(p, 1, "1-3") and p.state()["sum"] == 4
    assert shows(p.set(x=2), 2, "2-3")
    before = screen(p)
    p.controls["x"].value = 3
    assert shows(p.wait(LONG), 3, "3-3") and p.values == dict(x=3, y=3)
    assert screen(p)[0] != before[0] and screen(p)[1] != before[1], "image and words change together"
    p.controls["y"].value = 0
    assert p.wait(LONG).state()["sum"] == 3 and repr(p) == p.text()


WRONG = [(dict(x=7), "x must be one of 1, 2, got 7"), (dict(x=True), "got True"), (dict(x="1"), "got '1'"),
         (dict(x=[1]), "got"), (dict(y=5), "y must be from 0 to 4 in steps of 1, got 5"), (dict(y=1.5), "got 1.5"),
         (dict(y="2"), "got '2'"), (dict(y=None), "got None"), (dict(f=float("nan")), "got nan"),
         (dict(f=-.1), "from 0.0 to 1.0"), (dict(on=1), "on must be like True"), (dict(name=3), "like 'a'"),
         (dict(x=np.arange(3)), "one of 1, 2"), (dict(x=2, y=99), "y must"),
         (dict(z=1), "unknown control 'z': choose from x, y, f, on, name")]


def test_wrong_values_are_refused_and_nothing_moves(mode, make_panel):
    work = Work()
    p = make_panel(dict(x=[1, 2], y=(0, 4), f=(0., 1., .25), on=True, name="a"), work).wait(LONG)
    before, asked = p.values, len(work.asked)
    for wrong, message in WRONG:
        with pytest.raises(ValueError, match=message): p.set(**wrong)
        assert p.values == before and p.status == "ready"
    with pytest.raises(Exception): p.controls["x"].value = 7
    assert p.values == before and len(work.asked) == asked


def test_sliders_with_floats(mode, make_panel):
    p = make_panel(dict(x=(0., 1., .1)), Work(), start=dict(x=.3)).wait(LONG)
    assert p.state()["shown"] == dict(x=.3) and p.text().startswith("x 0.3\n")
    for v in (.1 + .2, .7, 1, 0):
        assert p.set(x=v).values["x"] == pytest.approx(v) and p.status == "ready"


@pytest.mark.parametrize("choices", [[], None, {"a": 1}, object()])
def test_choices_without_a_control_are_refused(choices):
    before = open_widgets()
    with pytest.raises(ValueError, match="the choices of 'y' must be a list that is not empty"):
        Panel(dict(x=[1], y=choices), Work(), drawn, in_words)
    assert open_widgets() == before, "the control made before it is closed, too"


def test_a_refused_start_leaves_no_widget():
    before = open_widgets()
    for wrong in (dict(start=dict(x=5)), dict(start=dict(z=1)), dict(redraw=("z",)), dict(keep=-1)):
        with pytest.raises(ValueError): Panel(dict(x=[1, 2]), Work(), drawn, in_words, **wrong)
        assert open_widgets() == before


def test_menus_of_unusual_values(mode, make_panel):
    "Pairs of numbers are values, a label with its value is both, and what looks alike is not taken for the same."
    class Odd:
        __hash__ = None
        def __repr__(self): return "odd"
    one, two = Odd(), Odd()
    work = Work()
    p = make_panel(dict(x=[(1, 1), (1, 0), [0, 1]], y=[("first", one), ("second", two)]), work).wait(LONG)
    assert p.values == dict(x=(1, 1), y=one)
    assert p.set(x=[0, 1]).values["x"] == [0, 1] and p.set(y=two).state()["shown"]["y"] is two
    assert [a[1] is two for a in work.asked] == [False, False, True], "alike in name, yet computed separately"
    with pytest.raises(ValueError, match=r"x must be one of \(1, 1\), \(1, 0\), \[0, 1\], got 1"): p.set(x=1)
    p.set(y=one)
    assert len(work.asked) == 3


# --- choices that depend on others

def test_choices_that_depend_on_other_controls(mode, make_panel):
    words, asked = {1: ["cat", "dog"], 2: ["dog", "cow"], 3: []}, []
    def words_of(x):
        asked.append(x)
        return words[x]
    controls = dict(x=[1, 2, 3], word=words_of, y=[0, 1])
    p = make_panel(controls, Work(), start=dict(word="dog"), redraw=("y",)).wait(LONG)
    assert p.values == dict(x=1, word="dog", y=0)
    assert p.set(x=2).values["word"] == "dog", "a choice that still exists stays"
    assert p.set(word="cow").result() == "2-cow" and p.set(x=1).result() == "1-cat", "else it is the first"
    assert p.set(x=2, word="cow").result() == "2-cow", "both in one go"
    p.controls["word"].value = "dog"
    assert p.wait(LONG).result() == "2-dog"
    p.set(y=1)
    assert asked == [1, 2], "the menu for earlier values is not asked for again"
    p.set(word="cat")
    assert p.status == "failed" and p.message == "word must be one of 'dog', 'cow', got 'cat'"
    assert p.values["word"] == "dog"
    assert p.set().result() == "2-dog", "and the wrong value is forgotten"
    p.set(x=3)
    assert p.status == "failed" and p.message == "there is nothing to choose for word"
    assert p.set(x=1, word="dog").result() == "1-dog"


def test_a_choice_is_taken_by_the_values_it_was_set_with(live, make_panel):
    "Work on the values before does not take the choice that was set together with the new ones."
    held, released = threading.Event(), threading.Event()
    def words_of(x):
        if x == 2:
            held.set()
            assert released.wait(LONG)
        return [f"{x}a", f"{x}b"]
    p = make_panel(dict(x=[1, 2, 3], word=words_of), Work()).wait(LONG)
    p.controls["x"].value = 2
    assert held.wait(LONG)
    with pytest.raises(ValueError, match="x must be one of"): p.set(x=9, word="3b")
    t = threading.Thread(target=lambda: p.set(x=3, word="3b"), daemon=True)
    t.start()
    until(lambda: p.values["x"] == 3)
    released.set()
    t.join(LONG)
    assert p.wait(LONG).result() == "3-3b"


# --- what is remembered

def test_results_are_remembered(mode, make_panel):
    work, zooms = Work(), []
    def draw(result, x, zoom):
        zooms.append(zoom)
        return drawn(result)
    p = make_panel(dict(x=[1, 2, 3], zoom=(1, 5)), work, draw, redraw=("zoom",), keep=2).wait(LONG)
    for x in (2, 1, 2): p.set(x=x)
    assert work.asked == [(1,), (2,)]
    p.set(zoom=4)
    p.controls["zoom"].value = 2
    p.wait(LONG)
    assert work.asked == [(1,), (2,)] and zooms[-2:] == [4, 2], "only the figure is drawn anew"
    p.set(x=3)
    p.set(x=2)
    assert work.asked == [(1,), (2,), (3,)]
    p.set(x=1)
    assert work.asked[3:] == [(1,)], "two results are kept, the oldest is forgotten"


def test_nothing_is_remembered_with_keep_0(mode, make_panel):
    work = Work()
    p = make_panel(dict(x=[1, 2]), work, keep=0).wait(LONG)
    assert p.set().result() == "1" and work.asked == [(1,), (1,)]


def test_a_failure_is_not_remembered(mode, make_panel):
    tries = []
    def compute(progress, x):
        tries.append(x)
        if len(tries) == 1: raise ValueError("not yet")
    p = make_panel(dict(x=[1]), compute).wait(LONG)
    assert p.status == "failed" and line(p) == ("failed", False)
    click(p, "again")
    assert p.wait(LONG).status == "ready" and p.result() is None
    p.set()
    assert tries == [1, 1], "None is a result like any other"


# --- steps

def stepped(asked, hold=()):
    "Two steps that note when they work: a search, and a cheap repair of what it found."
    held, released = threading.Event(), threading.Event()
    def search(progress, x):
        asked.append(("search", x))
        return 10*x
    def repair(progress, search, how):
        asked.append(("repair", search, how))
        if how in hold:
            held.set()
            assert released.wait(LONG)
        progress()
        return f"{search} by {how}"
    return [search, repair], held, released


def test_a_cheap_knob_repeats_only_its_own_step(mode, make_panel):
    asked = []
    p = make_panel(dict(x=[1, 2], how=["blur", "mean"], zoom=(1, 5)), stepped(asked)[0], lambda r: drawn(r),
                   lambda r: in_words(r)).wait(LONG)
    assert p.set(how="mean").result() == "10 by mean"
    assert asked == [("search", 1), ("repair", 10, "blur"), ("repair", 10, "mean")]
    p.set(how="blur")
    p.set(zoom=4)
    assert len(asked) == 3, "remembered; and no step names the zoom, so only the figure is drawn anew"
    assert p.set(x=2).result() == "20 by blur" and asked[3:] == [("search", 2), ("repair", 20, "blur")]
    p.set(x=1, how="mean")
    assert len(asked) == 5


def test_steps_before_a_cancelled_one_are_kept(live, make_panel):
    asked = []
    steps, held, released = stepped(asked, hold=("mean",))
    p = make_panel(dict(x=[1, 2], how=["blur", "mean"]), steps, lambda r: drawn(r), lambda r: in_words(r)).wait(LONG)
    p._put(dict(x=2))
    p.controls["how"].value = "mean"
    assert held.wait(LONG)
    p.cancel()
    released.set()
    assert p.wait(LONG).status == "cancelled" and p.state()["shown"] == dict(x=1, how="blur") and p.stale
    assert p.set(how="blur").result() == "20 by blur" and asked.count(("search", 2)) == 1


def test_choices_that_depend_on_a_step(mode, make_panel):
    "What would give the same result is not offered, and what cannot be chosen cannot be opened."
    asked = []
    def search(progress, x):
        asked.append(x)
        return x
    def repair(progress, search, how): return f"{search} {how}"
    def ways(search): return ["none", "blur"][:search]
    p = make_panel(dict(x=[1, 2], how=ways), [search, repair], lambda r: drawn(r), lambda r: in_words(r)).wait(LONG)
    assert p.controls["how"].options == (("none", "none"),) and p.controls["how"].disabled and p.result() == "1 none"
    assert p.set(x=2, how="blur").result() == "2 blur" and not p.controls["how"].disabled
    assert p.set(x=1).result() == "1 none" and asked == [1, 2], "the menu takes the result of the step that is there"


WRONG_STEPS = [
    (dict(x=[1]), [lambda progress, y: 1], "asks for 'y', which is neither a control nor an earlier step: choose from x"),
    (dict(search=[1]), stepped([])[0][:1], "'search' is both a step and a control: rename one of them"),
    (dict(x=[1], how=["blur"]), stepped([])[0][1:], "repair asks for 'search'"),
    (dict(how=lambda search: ["blur"], x=[1]), stepped([])[0],
     "the choices of 'how' need the step 'search', which depends on 'x': put 'x' before 'how'")]


@pytest.mark.parametrize("controls,steps,message", WRONG_STEPS, ids=range(4))
def test_steps_that_cannot_work_are_refused(controls, steps, message):
    before = open_widgets()
    with pytest.raises(ValueError) as e: Panel(controls, steps, drawn, in_words)
    assert message in str(e.value) and open_widgets() == before


# --- what the screen says

def test_each_state_is_shown_when_it_holds_and_only_then(live, make_panel):
    "From the first work to a result, a second that is cancelled, a third that fails, and a fourth that is there at once."
    work = Work(hold={1, 2})
    def compute(progress, x):
        if x == 3: raise ValueError("no zebra")
        return work(progress, x=x)
    p, seen = make_panel(dict(x=[1, 2, 3]), compute), []
    p.line.observe(lambda change: seen.append((change["new"]["status"], p.status)), "report")
    work.until_held()
    assert line(p) == ("working", False), "no figure, so none that is greyed out"
    work.release()
    p.wait(LONG)
    assert line(p) == ("ready", False)
    work.hold.add(2)
    for event in (work.held, work.released): event.clear()
    p.controls["x"].value = 2
    work.until_held()
    assert line(p) == ("working", True) and p.stale and p.state()["stale"]
    p.cancel()
    work.release()
    p.wait(LONG)
    assert line(p) == ("cancelled", True) and p.stale
    assert p.set(x=3).status == "failed" and line(p) == ("failed", False) and not p.stale
    assert shows(p.set(x=1), 1, "1") and line(p) == ("ready", False)
    assert {a for a, b in seen} == {"working", "ready", "cancelled", "failed"}
    assert all(a == b for a, b in seen), "never another one than that of the panel"


def test_cancelled_work_on_the_values_of_the_figure_leaves_no_stale_figure(live, make_panel):
    work = Work(hold={2})
    p = make_panel(dict(x=[1, 2]), work).wait(LONG)
    p.controls["x"].value = 2
    work.until_held()
    p.cancel()
    work.release()
    p.wait(LONG)
    p._put(dict(x=1))
    assert not p.stale and p.text() == "cancelled\nx 1\nit is 1"


def test_a_late_click_never_begins_what_it_was_meant_to_cancel(live, make_panel):
    work = Work()
    p = make_panel(dict(x=[1]), work, keep=0).wait(LONG)
    for ask in ("cancel", "again", None, "<b>"): click(p, ask)
    assert shows(p.wait(LONG), 1, "1") and work.asked == [(1,)] and p.line.report["clicks"] == 4


def test_menus_that_are_not_known_yet_are_not_listed(live, make_panel):
    held, released = threading.Event(), threading.Event()
    def words_of(x):
        held.set()
        assert released.wait(LONG)
        return ["cat"]
    p = make_panel(dict(x=[1, 2], word=words_of), Work())
    assert held.wait(LONG) and p.text() == "working: x 1"
    released.set()
    assert "x 1, word cat" in p.wait(LONG).text()


def test_a_value_is_offered_once(mode, make_panel):
    p = make_panel(dict(x=[16, 36, 16], y=[("a", 1), ("b", 1), ("c", True)], z=lambda x: [x, x]), Work()).wait(LONG)
    assert [v for _, v in p.controls["x"].options] == [16, 36]
    assert list(p.controls["y"].options) == [("a", 1), ("c", True)] and p.controls["z"].disabled
    assert not p.controls["x"].disabled


def test_tips_say_what_a_control_does(make_panel):
    p = make_panel(dict(x=[1, 2], y=(0, 3)), Work(), tips=dict(x="how <b>many</b>")).wait(LONG)
    assert p.line.tips == dict(x="how <b>many</b>") and p.controls["x"].tooltip == "how <b>many</b>"
    assert p.controls["y"].tooltip == "", "without one, ipywidgets shows the word null"
    with pytest.raises(ValueError, match="unknown control 'z': choose from x, y"):
        make_panel(dict(x=[1], y=[1]), Work(), tips=dict(z="nothing"))


def test_the_functions_of_a_page_get_what_they_name(mode, make_panel):
    p = make_panel(dict(x=[1, 2], y=[3]), lambda progress, x: x, lambda r: drawn(r), lambda r, y: f"{r} {y}",
                   lambda r: dict(n=r))
    assert p.wait(LONG).state()["n"] == 1 and p.text() == "x 1, y 3\n1 3"


# --- cancelling

def test_cancelled_work_leaves_the_figure_before_it(live, make_panel):
    work = Work(hold={2})
    p = make_panel(dict(x=[1, 2]), work).wait(LONG)
    image = screen(p)[0]
    p.controls["x"].value = 2
    work.until_held()
    assert p.status == "working" and screen(p)[2] == ("working", True) and p.stale
    assert p.text() == "working: what follows is of the values before\nx 1\nit is 1" and p.text() in screen(p)[1]
    click(p, "cancel")
    assert p.line.report["message"] == "stopping"
    with pytest.raises(TimeoutError, match="still works after 0 s: wait longer, or cancel"): p.wait(0)
    work.release()
    p.wait(LONG)
    s = p.state()
    assert (s["status"], s["message"], s["shown"], s["values"]) == ("cancelled", "cancelled", dict(x=1), dict(x=2))
    assert p.text().startswith("cancelled: what follows is of the values before\nx 1\n")
    assert screen(p)[0].count(png_of(p)) == 1
    assert image.split("base64,")[1].split('"')[0] in screen(p)[0]
    assert p.text() in screen(p)[1] and screen(p)[2] == ("cancelled", True) and p.stale
    assert p.line.report["message"] == "cancelled" and p.result() == "1"
    with pytest.raises(ValueError, match="nothing to save: cancelled"): p.save("never")
    click(p, "again")
    assert shows(p.wait(LONG), 2, "2") and work.asked == [(1,), (2,), (2,)]


def test_the_first_work_is_cancelled(live, make_panel, tmp_path):
    work = Work(hold={1})
    p = make_panel(dict(x=[1]), work)
    work.until_held()
    assert p.text() == "working: x 1" and p.text() in screen(p)[1] and p.state()["shown"] is None
    p.cancel()
    work.release()
    p.wait(LONG)
    assert p.text() == "cancelled: x 1" and p.text() in screen(p)[1] and p.figure().texts
    with pytest.raises(ValueError, match="there is no result: cancelled: x 1"): p.result()
    with pytest.raises(ValueError, match="there is nothing to save"): p.save(tmp_path/"a")
    assert not list(tmp_path.iterdir())


def test_the_latest_values_win(live, make_panel):
    shown, work = [], Work(hold={1})
    p = make_panel(dict(x=list(range(1, 10))), work)
    def note_shown(change):
        values = p.state()["shown"]
        shown.append(values and values["x"])
    p.box.children[-2].observe(note_shown, "value")
    work.until_held()
    for x in range(2, 10): p.controls["x"].value = x
    work.release()
    assert shows(p.wait(LONG), 9, "9")
    assert work.asked == [(1,), (9,)] and work.most == 1 and set(shown) <= {None, 9}


def test_waiting_is_for_the_latest_values(live, make_panel):
    work = Work(hold={1, 2})
    p = make_panel(dict(x=[1, 2]), work)
    work.until_held()
    waited = []
    t = threading.Thread(target=lambda: waited.append(p.wait(LONG).status), daemon=True)
    t.start()
    p.controls["x"].value = 2
    work.release()
    t.join(LONG)
    assert waited == ["ready"] and shows(p, 2, "2")


def test_two_panels_never_work_at_once(live, make_panel):
    "Panels of one page share models."
    work = Work(hold={1})
    a = make_panel(dict(x=[1]), work)
    work.until_held()
    b, c = make_panel(dict(x=[2]), work), make_panel(dict(x=[3]), work)
    c.cancel().wait(LONG)
    assert c.status == "cancelled" and work.asked == [(1,)], "a panel that waits for another is cancelled at once"
    assert b.status == "working"
    work.release()
    assert shows(a.wait(LONG), 1, "1") and shows(b.wait(LONG), 2, "2") and work.most == 1


def test_evaluations_do_not_swallow_cancellation():
    assert not issubclass(Cancelled, Exception)


def test_work_cannot_wait_for_a_panel(live, make_panel):
    "It would wait for itself."
    panels, errors = [], []
    def compute(progress, x):
        if x == 2:
            with pytest.raises(ValueError, match="a panel at work cannot wait for a panel") as e: panels[0].set(x=3)
            errors.append(e)
        return x
    panels.append(make_panel(dict(x=[1, 2, 3]), compute).wait(LONG))
    panels[0].controls["x"].value = 2
    until(lambda: errors)
    assert shows(panels[0].wait(LONG), 3, 3)


def test_controls_turned_by_the_work_itself(mode, make_panel):
    panels = []
    def compute(progress, x):
        if x == 2:
            panels[0].controls["x"].value = 3
            progress()
        return x
    panels.append(make_panel(dict(x=[1, 2, 3]), compute).wait(LONG))
    panels[0].controls["x"].value = 2
    assert shows(panels[0].wait(LONG), 3, 3)


def test_an_interrupt_ends_the_work(make_panel):
    "Control-C while the work is done at once: it ends, and the panel says so."
    interrupts = []
    def compute(progress, x):
        if x == 2 and not interrupts:
            interrupts.append(1)
            raise KeyboardInterrupt
        return x
    p = make_panel(dict(x=[1, 2]), compute)
    with pytest.raises(KeyboardInterrupt): p.set(x=2)
    assert p.state()["status"] == "cancelled" and p.message == "interrupted"
    assert p.text().startswith("interrupted: what follows is of the values before\nx 1")
    assert p.result() == 1 and shows(p.set(), 2, 2), "and nothing is locked"


def test_an_interrupt_while_waiting_cancels_the_work(live, make_panel):
    work = Work(hold={2})
    p = make_panel(dict(x=[1, 2]), work).wait(LONG)
    p.controls["x"].value = 2
    work.until_held()
    class Impatient(threading.Event().__class__):
        def wait(self, timeout=None): raise KeyboardInterrupt
    done, p._job.done = p._job.done, Impatient()
    with pytest.raises(KeyboardInterrupt): p.wait()
    p._job.done.set()
    work.release()
    until(lambda: p.status != "working")
    assert p.status == "cancelled" and work.asked == [(1,), (2,)] and not done.is_set()


# --- progress

REPORTS = [(), (0, 0), (5, 0, "steps"), (7, 5, "steps"), (3, None, "steps"), (-1, 5), (1, -5), (2.5, 5),
           (1, float("nan")), (np.int64(2), np.int64(4))]


@pytest.mark.parametrize("report", REPORTS)
def test_progress_of_all_kinds(mode, make_panel, monkeypatch, report):
    clock = iter(range(10**6))
    monkeypatch.setattr(panel_module.time, "monotonic", lambda: next(clock))
    panels, bars = [], []
    def compute(progress, x):
        progress(*report)
        bars.append((panels[0].line.report["done"], panels[0].line.report["message"]) if panels else None)
        return x
    panels.append(make_panel(dict(x=[1, 2]), compute))
    panels[0].wait()
    assert panels[0].set(x=2).status == "ready"
    assert (panels[0].line.report["done"], panels[0].line.report["message"]) == (0, "")
    assert 0 <= bars[-1][0] <= 1
    if report == (7, 5, "steps"): assert bars[-1] == (1, "steps 7 of 5")
    if report == (3, None, "steps"): assert bars[-1] == (0, "steps 3")


def test_work_that_reports_no_progress(mode, make_panel):
    p = make_panel(dict(x=[1, 2]), lambda progress, x: x).wait(LONG)
    assert shows(p.set(x=2), 2, 2)


# --- failures

EVIL = '<img src=x onerror="alert(1)"> </pre><script>alert(1)</script> & $x^2$ \\frac'
FAILURES = [(ValueError("no zebra: choose another"), "no zebra: choose another"), (ValueError(), "ValueError: "),
            (KeyError("a"), "KeyError: 'a'"), (RuntimeError(EVIL), f"RuntimeError: {EVIL}"),
            (MemoryError(), "MemoryError: "), (ValueError("two\nlines"), "two\nlines"),
            (ValueError("\x1b[31m\x00\ud800"), "\x1b[31m\x00\ud800")]


@pytest.mark.parametrize("error,message", FAILURES)
def test_the_reason_of_a_failure_is_shown(mode, make_panel, error, message):
    def compute(progress, x):
        if x == 2: raise error
        return x
    p = make_panel(dict(x=[1, 2]), compute, numbers=lambda r, x: dict(n=r)).wait(LONG)
    before = screen(p)
    p.set(x=2)
    expected = dict(status="failed", message=message, values=dict(x=2), shown=None, stale=False)
    assert p.state() == expected, "nothing of what was before"
    assert p.text() == f"no result for x 2: {message}" and p.text().replace("\ud800", "?") in screen(p)[1]
    assert screen(p)[0] != before[0] and screen(p)[2] == ("failed", False)
    for value in (text_html(p), image_html(p)): assert "<script" not in value and "<img src=x" not in value
    assert image_html(p).count("<") == 1 and p.figure().texts
    with pytest.raises(ValueError, match="no result for x 2"): p.result()
    assert shows(p.set(x=1), 1, 1) and p.state()["n"] == 1


def failing_at_2(name, function):
    "A function of a page that fails where x is 2."
    def wrapper(result, x):
        if x == 2: raise TypeError(f"{name} cannot")
        return function(result)
    return wrapper


BROKEN = {"figure": dict(figure=failing_at_2("figure", drawn)), "text": dict(text=failing_at_2("text", in_words)),
          "numbers": dict(numbers=failing_at_2("numbers", lambda r: dict(n=r))),
          "no figure": dict(figure=lambda r, x: None if x == 2 else drawn(r)),
          "clash": dict(numbers=lambda r, x: dict(status=1) if x == 2 else dict(n=x)),
          "no numbers": dict(numbers=lambda r, x: None if x == 2 else dict(n=x))}
MESSAGES = {"no figure": "AttributeError", "clash": "numbers has 'status'", "no numbers": "TypeError"}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_page_that_cannot_render_its_result(mode, make_panel, broken):
    functions = dict(figure=lambda r, x: drawn(r), text=in_words, numbers=lambda r, x: dict(n=x)) | BROKEN[broken]
    p = make_panel(dict(x=[1, 2]), Work(), **functions).wait(LONG)
    assert p.status == "ready"
    p.set(x=2)
    assert p.status == "failed" and p.text().startswith("no result for x 2: ")
    assert p.state()["shown"] is None and "n" not in p.state()
    assert MESSAGES.get(broken, f"TypeError: {broken} cannot") in p.message
    assert p.set(x=1).status == "ready"


NOTICES = ["", "short", "word "*4000, "W"*5000, "$x^2$ and $\\frac{1}", "\\alpha_{", "猫"*200,
           "a\x00b\x1b[0m\ud800\tc\n\nd", "é"*100]


@pytest.mark.filterwarnings("ignore:Glyph")   # a machine without Chinese fonts draws boxes
@pytest.mark.parametrize("text", NOTICES, ids=range(9))
def test_a_notice_fits_its_figure(text):
    fig = figure_notice(text)
    w, h = fig.get_size_inches()
    assert w == plots.PAGE and h < 9
    fig.draw_without_rendering()
    box = fig.texts[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= fig.bbox.x1, "all of it is in the image"
    assert not text or box.y0 >= 0 and box.y1 <= fig.bbox.y1
    assert plots.figure_png(fig)[1:4] == b"PNG"


# --- closing and forgetting

def test_closing_a_panel_leaves_no_widget(mode):
    before = open_widgets()
    controls = dict(x=[1, 2], word=lambda x: ["a", "b"], y=(0, 3), f=(0., 1.), on=False, name="n")
    p = Panel(controls, Work(), drawn, in_words).wait(LONG)
    p.set(x=2)
    p.close()
    assert open_widgets() == before and p.closed and p.state()["status"] == "ready" and "it is 2" in p.text()
    p.close()
    p.cancel()
    click(p, "again")
    p.controls["x"].value = 1
    assert p.result().startswith("2") and open_widgets() == before
    with pytest.raises(ValueError, match="the panel is closed: run its cell again"): p.set(x=1)


@pytest.mark.parametrize("held", [1, 2])
def test_closing_during_work(live, held):
    before, work = open_widgets(), Work(hold={held})
    p = Panel(dict(x=[1, 2], word=lambda x: ["a"]), work, drawn, in_words)
    if held == 2:
        p.wait(LONG)
        p.controls["x"].value = 2
    work.until_held()
    p.close()
    assert open_widgets() == before and p.closed
    work.release()
    p.wait(LONG)
    shown = p.state()["shown"] or dict(x=None)
    assert open_widgets() == before and p.status == "cancelled" and shown["x"] == {1: None, 2: 1}[held]


def test_forgetting_a_panel_leaves_no_widget(mode):
    before, threads_before = open_widgets(), threading.enumerate()
    p = Panel(dict(x=[1, 2], word=lambda x: ["a"]), Work(), drawn, in_words).wait(LONG)
    p.set(x=2)
    def fail(progress, x, word): raise RuntimeError
    q = Panel(dict(x=[1], word=lambda x: ["a"]), fail, drawn, in_words).wait(LONG)
    threads = [t for t in threading.enumerate() if t not in threads_before]
    for t in threads: t.join(LONG)
    del p, q, threads
    t = None
    gc.collect()
    assert open_widgets() == before


def test_a_panel_in_a_cell_that_runs_again(mode, monkeypatch, make_panel):
    set_cell(monkeypatch, "a", 1)
    before = open_widgets()
    first = make_panel(dict(x=[1]), Work()).wait(LONG)
    of_first = open_widgets() - before
    set_cell(monkeypatch, "b", 2)
    other = make_panel(dict(x=[1]), Work()).wait(LONG)
    set_cell(monkeypatch, "a", 3)
    again = make_panel(dict(x=[1]), Work()).wait(LONG)
    assert first.closed and not other.closed and not again.closed
    assert of_first and not of_first & open_widgets()


def test_a_cell_that_runs_again_cancels_work(live, monkeypatch, make_panel):
    set_cell(monkeypatch, "a", 1)
    work = Work(hold={1})
    first = make_panel(dict(x=[1]), work)
    work.until_held()
    set_cell(monkeypatch, "a", 2)
    again = make_panel(dict(x=[3]), work)
    assert first.closed and first.line.report["message"] == "stopping" and again.status == "working"
    work.release()
    assert shows(again.wait(LONG), 3, "3") and first.wait(LONG).status == "cancelled" and work.most == 1


# --- what is kept

def test_saving_writes_images_and_numbers(mode, make_panel, tmp_path):
    def numbers(r, x, f): return dict(score=np.float32(.5), nothing=float("nan"), all=np.arange(2))
    p = make_panel(dict(x=[1, 2], f=(0., 1., .5)), Work(), numbers=numbers)
    files = p.save(tmp_path/"deep"/"fig", seed=7)
    assert [f.name for f in files] == ["fig.png", "fig.pdf", "fig.json"] and all(f.stat().st_size for f in files)
    data = json.loads(files[2].read_text())
    assert data == dict(shown=p.state()["shown"], text=in_words(p.result()), score=.5, nothing=None, all=[0, 1], seed=7)
    assert data["shown"]["x"] == 1
    p.set(x=2).close()
    assert json.loads(p.save(tmp_path/"closed")[2].read_text())["shown"]["x"] == 2


def test_saving_waits_for_work_and_refuses_without_a_result(live, make_panel, tmp_path):
    work = Work(hold={1})
    p = make_panel(dict(x=[1, 2]), work)
    work.until_held()
    threading.Timer(.05, work.release).start()
    assert p.save(tmp_path/"a")[0].exists()
    def fail(progress, x): raise ValueError("no such thing")
    with pytest.raises(ValueError, match="there is nothing to save: no result for x 1: no such thing"):
        make_panel(dict(x=[1]), fail).save(tmp_path/"b")
    assert not list(tmp_path.glob("b*"))


def test_a_notebook_gets_text_image_and_controls(mode, make_panel):
    p = make_panel(dict(x=[1, 2]), Work()).wait(LONG)
    out = p._repr_mimebundle_()
    assert out["text/plain"] == p.text() and out["image/png"] in screen(p)[0]
    assert ("application/vnd.jupyter.widget-view+json" in out) == (mode == "live")
    p.state()["shown"]["x"] = 99
    assert p.state()["shown"] == dict(x=1), "a copy"


def test_drawing_in_threads_leaves_the_style_of_the_user_alone():
    def style(): # without the backend, which is settled when it is read
        return {k: v for k, v in matplotlib.rcParams.copy().items() if k != "backend"}
    before, errors = style(), []
    def draw():
        try:
            for _ in range(5): plots.figure_png(figure_notice("words"), 20)
        except Exception as e: errors.append(e)
    threads = [threading.Thread(target=draw, daemon=True) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join(LONG)
    assert not errors and style() == before
