"Scrubber and panel without a browser: what they say, what they refuse, and that nothing is left behind."
import base64, gc, html, io, json, threading, time

import ipywidgets
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from eagle_nb.explanation.explanation import Explanation, explain_scores
from eagle_nb.core.answers import Answer
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.core.targets import Target
from eagle_nb.apps import live as live_cells, panel as panel_module
from eagle_nb.explanation import plots
from eagle_nb.apps.panel import Cancelled, Panel, figure_notice
from eagle_nb.apps.scrubber import Scrubber, figure_step, word_curves

N = 12
WEIGHT = torch.linspace(1, 2, N)/torch.linspace(1, 2, N).sum()


def make(tokens=("A", " ca", "t", "."), shape=(60, 80), **settings):
    "An explanation of a made-up answer whose tokens react to the picture more and more."
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    strength = torch.linspace(0, .9, len(tokens))
    p = lambda keep: .05 + (keep.float() @ WEIGHT)[:, None]*strength
    at = tuple(range(len(tokens)))
    target = Target(at, at, tuple(tokens), at, "".join(tokens).strip())
    return explain_scores(FunctionScorer(p, N), image, grid(shape, 3, 4), target, Answer("".join(tokens), list(at), list(tokens)), "Describe.", settings=settings)


def watch(monkeypatch, seen):
    "Says to all who ask whether someone is there to move a slider."
    for module in (live_cells, panel_module): monkeypatch.setattr(module, "has_frontend", seen)


def alive(): return set(ipywidgets.widgets.widget._instances)


@pytest.fixture
def scrub():
    s = Scrubber(make(), start=3)
    yield s
    s.close()


def test_state_follows_the_slider(scrub):
    e = make()
    for k in (0, 3, N):
        scrub.slider.value = k
        s = scrub.state()
        assert s["step"] == scrub.step == k and s["of"] == N
        assert s["regions"] == e.order[:k].tolist()
        assert s["area"] == pytest.approx(e.area[k]) and s["area"] == pytest.approx(k/N)
        assert s["insertion"] == pytest.approx(e.token_insertion[k].mean()) and s["deletion"] == pytest.approx(e.token_deletion[k].mean())
        assert [w for w, _ in s["words"]] == ["A", "cat"]
        assert s["words"][1][1] == pytest.approx(e.token_insertion[k, 1:3].mean())


def test_what_is_seen_changes_with_the_step(scrub):
    told, picture = scrub._told.value, scrub._picture.value
    scrub.step = 4
    assert scrub._told.value != told and scrub._picture.value != picture
    assert html.unescape(scrub._told.value).split(">", 1)[1].startswith("4 of 12 regions, 33% of the picture")
    scrub.step = 3
    assert scrub._told.value == told and scrub._picture.value == picture


def test_text_is_the_twin_of_the_state(scrub):
    s, text = scrub.state(), scrub.text()
    assert f"{s['insertion']:.3f} with only these" in text and f"{s['deletion']:.3f} without" in text
    for word, p in s["words"]: assert any(line.startswith(word) and line.endswith(f"{p:.3f}") for line in text.splitlines())
    assert repr(scrub) == text


@pytest.mark.parametrize("step", [-1, N + 1, 1.5, True, float("nan"), "2"])
def test_steps_that_do_not_exist(scrub, step):
    with pytest.raises(ValueError, match=rf"step must be a whole number from 0 to {N}"): scrub.step = step
    with pytest.raises(ValueError, match="step must be"): Scrubber(make(), start=step)


def test_the_first_step_is_where_the_answer_is_back():
    e = make()
    s = Scrubber(e)
    assert e.insertion[s.step] >= .9*e.insertion.max() > e.insertion[s.step - 1]
    s.close()


def test_closing_leaves_nothing():
    before = alive()
    s = Scrubber(make())
    assert len(alive() - before) > 5
    s.close()
    assert alive() == before and s.closed
    s.close()
    s.step = 2
    assert s.state()["step"] == 2 and "2 of 12" in s.text()


def test_forgetting_leaves_nothing():
    before = alive()
    s = Scrubber(make())
    del s
    gc.collect()
    assert alive() == before


def test_a_cell_that_runs_again_closes_what_it_opened(monkeypatch):
    run = lambda cell, n: monkeypatch.setattr(live_cells, "_this_cell", lambda: cell and (cell, n))
    run("a", 1); first, second = Scrubber(make()), Scrubber(make())
    run("b", 2); other = Scrubber(make())
    run(None, 3); loose = Scrubber(make())
    assert not any(s.closed for s in (first, second, other, loose)), "two in one run live side by side"
    run("a", 4); again = Scrubber(make())
    assert first.closed and second.closed and not any(s.closed for s in (other, loose, again))
    for s in (other, loose, again): s.close()


def test_text_of_a_model_stays_text():
    s = Scrubber(make(('<img src=x onerror="alert(1)">', "</pre><script>alert(1)</script>", "&'")))
    for step in (0, N):
        s.step = step
        assert "<script" not in s._told.value + s._picture.value and "<img src=x" not in s._told.value
        assert "onerror" not in s._picture.value and s._picture.value.count("<") == 1
    s.close()


def test_saved_explanations_will_do(tmp_path, scrub):
    e = Explanation.load(make().save(tmp_path/"e.safetensors"))
    s = Scrubber(e, start=3)
    assert e.scorer is None and s.state() == scrub.state()
    s.close()


def test_no_model_is_called():
    e = make()
    used = e.scorer.forwards
    s = Scrubber(e)
    for k in range(N + 1): s.step = k
    assert e.scorer.forwards == used
    s.close()


def test_what_a_notebook_without_a_reader_keeps(scrub):
    out = scrub._repr_mimebundle_()
    assert set(out) == {"text/plain", "image/png"} and out["text/plain"] == scrub.text()
    w, h = Image.open(io.BytesIO(base64.b64decode(out["image/png"]))).size
    assert 700 < w < 1000 and 200 < h < 500


def test_what_a_reader_gets(scrub, monkeypatch):
    watch(monkeypatch, lambda: True)
    out = scrub._repr_mimebundle_()
    assert out["application/vnd.jupyter.widget-view+json"]["model_id"] == scrub.box.model_id
    scrub.close()
    assert set(scrub._repr_mimebundle_()) == {"text/plain", "image/png"}, "a closed one shows its picture"


@pytest.mark.parametrize("shape", [(60, 80), (900, 1600), (1600, 500), (8, 8)])
def test_pictures_of_all_sizes(shape):
    s = Scrubber(make(shape=shape), start=2)
    assert max(s.image.shape) == min(480, max(shape))
    assert s.image.shape[:2] == s.labels.shape == s.fill_image.shape[:2] and set(np.unique(s.labels)) == set(range(N))
    assert s.figure().axes
    s.close()


def test_hidden_regions_look_as_the_model_saw_them():
    black, mean = Scrubber(make(fill="black"), start=1), Scrubber(make(fill="mean"), start=1)
    assert (black.fill_image == 0).all() and (mean.fill_image > 90).all()
    for s in (black, mean): s.close()


def test_a_target_without_a_word():
    names, p = word_curves(make((".", "!")))
    assert names == [".", "!"] and p.shape == (N + 1, 2)


def test_the_figure_draws_every_step():
    e = make()
    for k in (0, 1, N): assert len(figure_step(e.image, e.regions.labels, e.order, e.area, e.insertion, e.deletion, k).axes) == 3


# --- the panel

LONG = 20   # seconds after which a thread that does not answer is a failure


@pytest.fixture(params=["headless", "live"])
def mode(request, monkeypatch):
    "The work at once, and in a thread."
    watch(monkeypatch, lambda: request.param == "live")
    return request.param


@pytest.fixture
def live(monkeypatch): watch(monkeypatch, lambda: True)


def drawn(result, **values):
    "A small figure that differs from result to result."
    fig = plots.new_figure(1, .5)
    fig.text(.1, .4, str(result), parse_math=False)
    return fig


def told(result, **values): return f"it is {result}"


class Work:
    "A `compute` that notes who asks, and that stops where a test wants it: `hold` names the value of x that waits."
    def __init__(self, hold=()):
        self.asked, self.hold, self.inside, self.most = [], set(hold), 0, 0
        self.here, self.go = threading.Event(), threading.Event()
    def __call__(self, progress, **values):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            self.asked.append(tuple(values.values()))
            if any(values["x"] == h for h in self.hold):
                self.here.set()
                assert self.go.wait(LONG)
            progress(1, 2, "steps")
            return "-".join(map(str, values.values()))
        finally: self.inside -= 1
    def until_held(self): assert self.here.wait(LONG)
    def let_go(self): self.hold.clear(); self.go.set()


@pytest.fixture
def make_panel():
    "Panels that are closed after the test."
    made = []
    def build(controls, compute, figure=drawn, text=told, *args, **kwargs):
        made.append(Panel(controls, compute, figure, text, *args, **kwargs))
        return made[-1]
    yield build
    for p in made: p.close()


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(.005)


def screen(panel): return panel._picture.value, html.unescape(panel._told.value), panel.button.description


def shows(panel, x, result):
    "The panel, its screen and its words agree on what is shown."
    s = panel.state()
    return s["status"] == "ready" and s["shown"]["x"] == x and panel.result() == result and f"it is {result}" in panel.text() \
        and f"it is {result}" in screen(panel)[1] and panel._shown["png"] in screen(panel)[0] and screen(panel)[2] == "Done"


def test_knobs_by_name_and_by_hand(mode, make_panel):
    work = Work()
    p = make_panel(dict(x=[1, 2, 3], y=(0, 4)), work, numbers=lambda r, x, y: dict(sum=x + y), start=dict(y=3)).wait(LONG)
    assert shows(p, 1, "1-3") and p.state()["sum"] == 4
    assert shows(p.set(x=2), 2, "2-3")
    before = screen(p)
    p.controls["x"].value = 3
    assert shows(p.wait(LONG), 3, "3-3") and p.values == dict(x=3, y=3)
    assert screen(p)[0] != before[0] and screen(p)[1] != before[1], "picture and words change together"
    p.controls["y"].value = 0
    assert p.wait(LONG).state()["sum"] == 3 and repr(p) == p.text()


def test_what_cannot_be_is_refused_and_nothing_moves(mode, make_panel):
    work = Work()
    p = make_panel(dict(x=[1, 2], y=(0, 4), f=(0., 1., .25), on=True, name="a"), work).wait(LONG)
    before, asked = p.values, len(work.asked)
    for wrong, why in ((dict(x=7), "x must be one of 1, 2, got 7"), (dict(x=True), "got True"), (dict(x="1"), "got '1'"), (dict(x=[1]), "got"),
                       (dict(y=5), "y must be from 0 to 4 in steps of 1, got 5"), (dict(y=1.5), "got 1.5"), (dict(y="2"), "got '2'"), (dict(y=None), "got None"),
                       (dict(f=float("nan")), "got nan"), (dict(f=-.1), "from 0.0 to 1.0"), (dict(on=1), "on must be like True"), (dict(name=3), "like 'a'"),
                       (dict(x=np.arange(3)), "one of 1, 2"), (dict(x=2, y=99), "y must"), (dict(z=1), "unknown control 'z': choose from x, y, f, on, name")):
        with pytest.raises(ValueError, match=why): p.set(**wrong)
        assert p.values == before and p.status == "ready"
    with pytest.raises(Exception): p.controls["x"].value = 7
    assert p.values == before and len(work.asked) == asked


def test_sliders_with_floats(mode, make_panel):
    p = make_panel(dict(x=(0., 1., .1)), Work(), start=dict(x=.3)).wait(LONG)
    assert p.state()["shown"] == dict(x=.3) and p.text().startswith("x 0.3\n")
    for v in (.1 + .2, .7, 1, 0): assert p.set(x=v).values["x"] == pytest.approx(v) and p.status == "ready"


@pytest.mark.parametrize("choices", [[], None, {"a": 1}, object()])
def test_choices_that_are_none(choices):
    before = alive()
    with pytest.raises(ValueError, match="the choices of 'y' must be a list that is not empty"): Panel(dict(x=[1], y=choices), Work(), drawn, told)
    assert alive() == before, "the control made before it is gone too"


def test_refused_starts_leave_nothing():
    before = alive()
    for wrong in (dict(start=dict(x=5)), dict(start=dict(z=1)), dict(redraw=("z",)), dict(keep=-1)):
        with pytest.raises(ValueError): Panel(dict(x=[1, 2]), Work(), drawn, told, **wrong)
        assert alive() == before


def test_menus_of_odd_values(mode, make_panel):
    "Pairs of numbers are values, a label with its value is both, and what looks alike is not taken for the same."
    class Odd:
        __hash__ = None
        def __repr__(self): return "odd"
    one, two = Odd(), Odd()
    work = Work()
    p = make_panel(dict(x=[(1, 1), (1, 0), [0, 1]], y=[("first", one), ("second", two)]), work).wait(LONG)
    assert p.values == dict(x=(1, 1), y=one)
    assert p.set(x=[0, 1]).values["x"] == [0, 1] and p.set(y=two).state()["shown"]["y"] is two
    assert [a[1] is two for a in work.asked] == [False, False, True], "one and two have the same name, and are asked for apart"
    with pytest.raises(ValueError, match=r"x must be one of \(1, 1\), \(1, 0\), \[0, 1\], got 1"): p.set(x=1)
    p.set(y=one)
    assert len(work.asked) == 3


# --- choices that depend on others

def test_choices_that_depend_on_others(mode, make_panel):
    words, looked = {1: ["cat", "dog"], 2: ["dog", "cow"], 3: []}, []
    def of(x): looked.append(x); return words[x]
    p = make_panel(dict(x=[1, 2, 3], word=of, y=[0, 1]), Work(), start=dict(word="dog"), redraw=("y",)).wait(LONG)
    assert p.values == dict(x=1, word="dog", y=0)
    assert p.set(x=2).values["word"] == "dog", "a choice that still exists stays"
    assert p.set(word="cow").result() == "2-cow" and p.set(x=1).result() == "1-cat", "else it is the first"
    assert p.set(x=2, word="cow").result() == "2-cow", "both in one go"
    p.controls["word"].value = "dog"
    assert p.wait(LONG).result() == "2-dog"
    p.set(y=1)
    assert looked == [1, 2], "the menu of values that were there is not asked for again"
    p.set(word="cat")
    assert p.status == "failed" and p.message == "word must be one of 'dog', 'cow', got 'cat'" and p.values["word"] == "dog"
    assert p.set().result() == "2-dog", "and the wish is forgotten"
    p.set(x=3)
    assert p.status == "failed" and p.message == "there is nothing to choose for word"
    assert p.set(x=1, word="dog").result() == "1-dog"


def test_the_wish_belongs_to_whom_it_was_made(live, make_panel):
    "Work on the values before does not take the choice that was wished for the new ones."
    here, go = threading.Event(), threading.Event()
    def of(x):
        if x == 2: here.set(); assert go.wait(LONG)
        return [f"{x}a", f"{x}b"]
    p = make_panel(dict(x=[1, 2, 3], word=of), Work()).wait(LONG)
    p.controls["x"].value = 2
    assert here.wait(LONG)
    with pytest.raises(ValueError, match="x must be one of"): p.set(x=9, word="3b")
    t = threading.Thread(target=lambda: p.set(x=3, word="3b"), daemon=True)
    t.start()
    until(lambda: p.values["x"] == 3)
    go.set(); t.join(LONG)
    assert p.wait(LONG).result() == "3-3b"


# --- what is remembered

def test_results_are_remembered(mode, make_panel):
    work, pictures = Work(), []
    p = make_panel(dict(x=[1, 2, 3], zoom=(1, 5)), work, lambda r, **v: pictures.append(v["zoom"]) or drawn(r), redraw=("zoom",), keep=2).wait(LONG)
    for x in (2, 1, 2): p.set(x=x)
    assert work.asked == [(1,), (2,)]
    p.set(zoom=4); p.controls["zoom"].value = 2; p.wait(LONG)
    assert work.asked == [(1,), (2,)] and pictures[-2:] == [4, 2], "the figure alone is drawn anew"
    p.set(x=3); p.set(x=2)
    assert work.asked == [(1,), (2,), (3,)]
    p.set(x=1)
    assert work.asked[3:] == [(1,)], "two results are kept, the oldest is gone"


def test_nothing_need_be_remembered(mode, make_panel):
    work = Work()
    p = make_panel(dict(x=[1, 2]), work, keep=0).wait(LONG)
    assert p.set().result() == "1" and work.asked == [(1,), (1,)]


def test_what_failed_is_not_remembered(mode, make_panel):
    tries = []
    def compute(progress, x):
        tries.append(x)
        if len(tries) == 1: raise ValueError("not yet")
    p = make_panel(dict(x=[1]), compute).wait(LONG)
    assert p.status == "failed" and p.button.description == "Try again"
    p.button.click()
    assert p.wait(LONG).status == "ready" and p.result() is None
    p.set()
    assert tries == [1, 1], "None is a result like any other"


# --- called off

def test_work_that_is_called_off(live, make_panel):
    work = Work(hold={2})
    p = make_panel(dict(x=[1, 2]), work).wait(LONG)
    picture = screen(p)[0]
    p.controls["x"].value = 2
    work.until_held()
    assert p.status == "working" and screen(p)[2] == "Cancel" and p.bar.layout.display is None
    p.button.click()
    assert p.note.value == "stopping"
    with pytest.raises(TimeoutError, match="still works after 0 s: wait longer, or cancel"): p.wait(0)
    work.let_go()
    p.wait(LONG)
    s = p.state()
    assert (s["status"], s["message"], s["shown"], s["values"]) == ("cancelled", "cancelled", dict(x=1), dict(x=2))
    assert p.text().startswith("cancelled: what follows is of the values before\nx 1\n") and screen(p)[0].count(p._shown["png"]) == 1
    assert picture.split("base64,")[1].split('"')[0] in screen(p)[0] and p.text() in screen(p)[1] and screen(p)[2] == "Try again"
    assert p.bar.layout.display == "none" and p.result() == "1"
    with pytest.raises(ValueError, match="nothing to save: cancelled"): p.save("never")
    p.button.click()
    assert shows(p.wait(LONG), 2, "2") and work.asked == [(1,), (2,), (2,)]


def test_the_first_work_is_called_off(live, make_panel, tmp_path):
    work = Work(hold={1})
    p = make_panel(dict(x=[1]), work)
    work.until_held()
    assert p.text() == "working: x 1" and p.text() in screen(p)[1] and p.state()["shown"] is None
    p.cancel(); work.let_go(); p.wait(LONG)
    assert p.text() == "cancelled: x 1" and p.text() in screen(p)[1] and p.figure().texts
    with pytest.raises(ValueError, match="there is no result: cancelled: x 1"): p.result()
    with pytest.raises(ValueError, match="there is nothing to save"): p.save(tmp_path/"a")
    assert not list(tmp_path.iterdir())


def test_the_last_wish_wins(live, make_panel):
    seen, work = [], Work(hold={1})
    p = make_panel(dict(x=list(range(1, 10))), work)
    p._picture.observe(lambda c: seen.append(p._shown and p._shown["values"]["x"]), "value")
    work.until_held()
    for x in range(2, 10): p.controls["x"].value = x
    work.let_go()
    assert shows(p.wait(LONG), 9, "9")
    assert work.asked == [(1,), (9,)] and work.most == 1 and set(seen) <= {None, 9}


def test_waiting_is_for_the_last_wish(live, make_panel):
    work = Work(hold={1, 2})
    p = make_panel(dict(x=[1, 2]), work)
    work.until_held()
    waited = []
    t = threading.Thread(target=lambda: waited.append(p.wait(LONG).status), daemon=True)
    t.start()
    p.controls["x"].value = 2
    work.let_go(); t.join(LONG)
    assert waited == ["ready"] and shows(p, 2, "2")


def test_never_two_panels_at_once(live, make_panel):
    "Panels of one page share models."
    work = Work(hold={1})
    a = make_panel(dict(x=[1]), work)
    work.until_held()
    b, c = make_panel(dict(x=[2]), work), make_panel(dict(x=[3]), work)
    c.cancel().wait(LONG)
    assert c.status == "cancelled" and work.asked == [(1,)], "who waits for another can be called off at once"
    assert b.status == "working"
    work.let_go()
    assert shows(a.wait(LONG), 1, "1") and shows(b.wait(LONG), 2, "2") and work.most == 1


def test_evaluations_do_not_swallow_cancellation():
    assert not issubclass(Cancelled, Exception)


def test_work_cannot_wait_for_a_panel(live, make_panel):
    "It would wait for itself."
    box, why = [], []
    def compute(progress, x):
        if x == 2:
            with pytest.raises(ValueError, match="a panel at work cannot wait for a panel") as e: box[0].set(x=3)
            why.append(e)
        return x
    box.append(make_panel(dict(x=[1, 2, 3]), compute).wait(LONG))
    box[0].controls["x"].value = 2
    until(lambda: why)
    assert shows(box[0].wait(LONG), 3, 3)


def test_knobs_turned_by_the_work_itself(mode, make_panel):
    box = []
    def compute(progress, x):
        if x == 2: box[0].controls["x"].value = 3; progress()
        return x
    box.append(make_panel(dict(x=[1, 2, 3]), compute).wait(LONG))
    box[0].controls["x"].value = 2
    assert shows(box[0].wait(LONG), 3, 3)


def test_an_interrupt(make_panel):
    "Control-C while the work is done at once: it ends, and the panel says so."
    stop = []
    def compute(progress, x):
        if x == 2 and not stop: stop.append(1); raise KeyboardInterrupt
        return x
    p = make_panel(dict(x=[1, 2]), compute)
    with pytest.raises(KeyboardInterrupt): p.set(x=2)
    assert p.state()["status"] == "cancelled" and p.message == "interrupted" and p.text().startswith("interrupted: what follows is of the values before\nx 1")
    assert p.result() == 1 and shows(p.set(), 2, 2), "and nothing is locked"


def test_an_interrupt_while_waiting_calls_the_work_off(live, make_panel):
    work = Work(hold={2})
    p = make_panel(dict(x=[1, 2]), work).wait(LONG)
    p.controls["x"].value = 2
    work.until_held()
    class Impatient(threading.Event().__class__):
        def wait(self, timeout=None): raise KeyboardInterrupt
    done, p._job.done = p._job.done, Impatient()
    with pytest.raises(KeyboardInterrupt): p.wait()
    p._job.done.set(); work.let_go()
    until(lambda: p.status != "working")
    assert p.status == "cancelled" and work.asked == [(1,), (2,)] and not done.is_set()


# --- progress

@pytest.mark.parametrize("said", [(), (0, 0), (5, 0, "steps"), (7, 5, "steps"), (3, None, "steps"), (-1, 5), (1, -5), (2.5, 5), (1, float("nan")), (np.int64(2), np.int64(4))])
def test_progress_of_all_kinds(mode, make_panel, monkeypatch, said):
    clock = iter(range(10**6))
    monkeypatch.setattr(panel_module.time, "monotonic", lambda: next(clock))
    bars = []
    def compute(progress, x): progress(*said); bars.append((box[0].bar.value, box[0].note.value) if box else None); return x
    box = []
    box.append(make_panel(dict(x=[1, 2]), compute))
    box[0].wait()
    assert box[0].set(x=2).status == "ready" and box[0].bar.value == 0 and box[0].note.value == ""
    assert 0 <= bars[-1][0] <= 1
    if said == (7, 5, "steps"): assert bars[-1] == (1, "steps 7 of 5")
    if said == (3, None, "steps"): assert bars[-1] == (0, "steps 3")


def test_silent_work(mode, make_panel):
    p = make_panel(dict(x=[1, 2]), lambda progress, x: x).wait(LONG)
    assert shows(p.set(x=2), 2, 2)


# --- failures

EVIL = '<img src=x onerror="alert(1)"> </pre><script>alert(1)</script> & $x^2$ \\frac'

@pytest.mark.parametrize("error,message", [(ValueError("no zebra: choose another"), "no zebra: choose another"), (ValueError(), "ValueError: "), (KeyError("a"), "KeyError: 'a'"),
                                           (RuntimeError(EVIL), f"RuntimeError: {EVIL}"), (MemoryError(), "MemoryError: "), (ValueError("two\nlines"), "two\nlines"),
                                           (ValueError("\x1b[31m\x00\ud800"), "\x1b[31m\x00\ud800")])
def test_failures_are_said(mode, make_panel, error, message):
    def compute(progress, x):
        if x == 2: raise error
        return x
    p = make_panel(dict(x=[1, 2]), compute, numbers=lambda r, x: dict(n=r)).wait(LONG)
    before = screen(p)
    p.set(x=2)
    s = p.state()
    assert s == dict(status="failed", message=message, values=dict(x=2), shown=None), "nothing of what was before"
    assert p.text() == f"no result for x 2: {message}" and p.text().replace("\ud800", "?") in screen(p)[1] and screen(p)[0] != before[0] and screen(p)[2] == "Try again"
    for value in (p._told.value, p._picture.value): assert "<script" not in value and "<img src=x" not in value
    assert p._picture.value.count("<") == 1 and p.figure().texts
    with pytest.raises(ValueError, match="no result for x 2"): p.result()
    assert shows(p.set(x=1), 1, 1) and p.state()["n"] == 1


@pytest.mark.parametrize("broken", ["figure", "text", "numbers", "no figure", "clash", "no numbers"])
def test_failures_of_the_page(mode, make_panel, broken):
    def bad(name, good):
        def f(result, x):
            if x == 2: raise TypeError(f"{name} cannot")
            return good(result)
        return f
    figure = bad("figure", drawn) if broken == "figure" else lambda r, x: None if broken == "no figure" and x == 2 else drawn(r)
    numbers = lambda r, x: dict(status=1) if broken == "clash" and x == 2 else None if broken == "no numbers" and x == 2 else dict(n=x)
    p = make_panel(dict(x=[1, 2]), Work(), figure, bad("text", told) if broken == "text" else told, bad("numbers", lambda r: dict(n=r)) if broken == "numbers" else numbers).wait(LONG)
    assert p.status == "ready"
    p.set(x=2)
    assert p.status == "failed" and p.text().startswith("no result for x 2: ") and p.state()["shown"] is None and "n" not in p.state()
    expected = {"no figure": "AttributeError", "clash": "numbers has 'status'", "no numbers": "TypeError"}.get(broken, f"TypeError: {broken} cannot")
    assert expected in p.message
    assert p.set(x=1).status == "ready"


@pytest.mark.filterwarnings("ignore:Glyph")   # a machine without Chinese fonts draws boxes
@pytest.mark.parametrize("text", ["", "short", "word "*4000, "W"*5000, "$x^2$ and $\\frac{1}", "\\alpha_{", "猫"*200, "a\x00b\x1b[0m\ud800\tc\n\nd", "é"*100], ids=range(9))
def test_notices(text):
    fig = figure_notice(text)
    w, h = fig.get_size_inches()
    assert w == plots.PAGE and h < 9
    fig.draw_without_rendering()
    box = fig.texts[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= fig.bbox.x1 and (not text or box.y0 >= 0 and box.y1 <= fig.bbox.y1), "all of it is in the picture"
    assert plots.figure_png(fig)[1:4] == b"PNG"


# --- closing and forgetting

def test_closing_a_panel_leaves_nothing(mode):
    before = alive()
    p = Panel(dict(x=[1, 2], word=lambda x: ["a", "b"], y=(0, 3), f=(0., 1.), on=False, name="n"), Work(), drawn, told).wait(LONG)
    p.set(x=2)
    p.close()
    assert alive() == before and p.closed and p.state()["status"] == "ready" and "it is 2" in p.text()
    p.close(); p.cancel(); p._pressed(); p.controls["x"].value = 1
    assert p.result().startswith("2") and alive() == before
    with pytest.raises(ValueError, match="the panel is closed: run its cell again"): p.set(x=1)


@pytest.mark.parametrize("held", [1, 2])
def test_closing_during_work(live, held):
    before, work = alive(), Work(hold={held})
    p = Panel(dict(x=[1, 2], word=lambda x: ["a"]), work, drawn, told)
    if held == 2: p.wait(LONG); p.controls["x"].value = 2
    work.until_held()
    p.close()
    assert alive() == before and p.closed
    work.let_go()
    p.wait(LONG)
    assert alive() == before and p.status == "cancelled" and (p.state()["shown"] or dict(x=None))["x"] == {1: None, 2: 1}[held]


def test_forgetting_a_panel_leaves_nothing(mode):
    before = alive()
    p = Panel(dict(x=[1, 2], word=lambda x: ["a"]), Work(), drawn, told).wait(LONG)
    p.set(x=2)
    def fail(progress, x, word): raise RuntimeError
    q = Panel(dict(x=[1], word=lambda x: ["a"]), fail, drawn, told).wait(LONG)
    threads = [t for t in threading.enumerate() if isinstance(t, panel_module._Worker)]
    for t in threads: t.join(LONG)
    del p, q, threads
    t = None
    gc.collect()
    assert alive() == before


def test_a_panel_in_a_cell_that_runs_again(mode, monkeypatch, make_panel):
    run = lambda cell, n: monkeypatch.setattr(live_cells, "_this_cell", lambda: cell and (cell, n))
    run("a", 1)
    before = alive()
    first = make_panel(dict(x=[1]), Work()).wait(LONG)
    mine = alive() - before
    run("b", 2); other = make_panel(dict(x=[1]), Work()).wait(LONG)
    run("a", 3); again = make_panel(dict(x=[1]), Work()).wait(LONG)
    assert first.closed and not other.closed and not again.closed and mine and not mine & alive()


def test_a_cell_that_runs_again_calls_work_off(live, monkeypatch, make_panel):
    monkeypatch.setattr(live_cells, "_this_cell", lambda: ("a", 1))
    work = Work(hold={1})
    first = make_panel(dict(x=[1]), work)
    work.until_held()
    monkeypatch.setattr(live_cells, "_this_cell", lambda: ("a", 2))
    again = make_panel(dict(x=[3]), work)
    assert first.closed and first._job.stop.is_set() and again.status == "working"
    work.let_go()
    assert shows(again.wait(LONG), 3, "3") and first.wait(LONG).status == "cancelled" and work.most == 1


# --- what is kept

def test_saving(mode, make_panel, tmp_path):
    p = make_panel(dict(x=[1, 2], f=(0., 1., .5)), Work(), numbers=lambda r, x, f: dict(score=np.float32(.5), nothing=float("nan"), all=np.arange(2)))
    files = p.save(tmp_path/"deep"/"fig", seed=7)
    assert [f.name for f in files] == ["fig.png", "fig.pdf", "fig.json"] and all(f.stat().st_size for f in files)
    data = json.loads(files[2].read_text())
    assert data == dict(shown=p.state()["shown"], text=told(p.result()), score=.5, nothing=None, all=[0, 1], seed=7) and data["shown"]["x"] == 1
    p.set(x=2).close()
    assert json.loads(p.save(tmp_path/"closed")[2].read_text())["shown"]["x"] == 2


def test_saving_waits_and_refuses(live, make_panel, tmp_path):
    work = Work(hold={1})
    p = make_panel(dict(x=[1, 2]), work)
    work.until_held()
    threading.Timer(.05, work.let_go).start()
    assert p.save(tmp_path/"a")[0].exists()
    def fail(progress, x): raise ValueError("no such thing")
    with pytest.raises(ValueError, match="there is nothing to save: no result for x 1: no such thing"): make_panel(dict(x=[1]), fail).save(tmp_path/"b")
    assert not list(tmp_path.glob("b*"))


def test_what_a_panel_gives_a_notebook(mode, make_panel):
    p = make_panel(dict(x=[1, 2]), Work()).wait(LONG)
    out = p._repr_mimebundle_()
    assert out["text/plain"] == p.text() and out["image/png"] == p._shown["png"]
    assert ("application/vnd.jupyter.widget-view+json" in out) == (mode == "live")
    p.state()["shown"]["x"] = 99
    assert p.state()["shown"] == dict(x=1), "a copy"


def test_drawing_in_threads_leaves_the_style_of_the_user_alone():
    style = lambda: {k: v for k, v in matplotlib.rcParams.copy().items() if k != "backend"}   # which is settled when it is read
    before, errors = style(), []
    def draw():
        try:
            for _ in range(5): plots.figure_png(figure_notice("words"), 20)
        except Exception as e: errors.append(e)
    threads = [threading.Thread(target=draw, daemon=True) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join(LONG)
    assert not errors and style() == before
