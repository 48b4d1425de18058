"The explorer without a browser: what it finds is what `explain` finds, whatever was clicked; what goes wrong is told."
import gc
import io
import json
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

import eagle_nb
from eagle_nb.apps.explorer import Explorer, answer_data, pair_data
from eagle_nb.apps.session import MAX_PIXELS
from eagle_nb.apps.worker import Worker
from eagle_nb.core.scores import mates
from eagle_nb.explanation.modality import decide, influence_draws
from eagle_nb.explanation.words import WordMap
from widget_help import open_widgets, set_cell

PROMPT = "Describe the image."
PATIENCE = 300 # seconds until something counts as hanging: a loaded machine is slow


@pytest.fixture
def x(model, scene):
    x = Explorer(model, regions=12, budget=96)
    x.set_image(scene.image)
    yield x
    x.close()


@pytest.fixture
def asked(x):
    x.ask(PROMPT).wait()
    assert x.state()["status"] == "done", x.state()["message"]
    return x


def word_of(x): return max(x.words(), key=lambda w: w["influence"] or 0)["text"]


def until(ready):
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, "it does not come"
        time.sleep(.005)


# --- the worker

def test_a_later_task_of_the_same_name_replaces_one_that_waits():
    worker, seen, go = Worker("test"), [], threading.Event()
    worker.post(go.wait)
    for k in range(3): worker.post(lambda k=k: seen.append(k), key="k")
    go.set()
    assert worker.wait(PATIENCE) and seen == [2]
    worker.end(PATIENCE)


def test_a_paused_task_is_cancelled_and_urgent_ones_are_done():
    worker, seen = Worker("test", shared=True), []
    started = threading.Event()
    def work():
        while True:
            started.set()
            worker.between()
    worker.post(work)
    assert started.wait(PATIENCE)
    worker.pause()
    done = threading.Event()
    worker.post(lambda: (worker.between(), done.set()), urgent=True)   # as a batch does that is scored in a pause
    assert done.wait(PATIENCE) and not worker.idle
    worker.cancel()
    assert worker.wait(PATIENCE)
    worker.end(PATIENCE)
    assert not worker._thread.is_alive()


def test_workers_that_share_models_take_turns():
    a, b, seen = Worker("a", shared=True), Worker("b", shared=True), []
    def work(name, worker):
        for _ in range(50):
            seen.append(name)
            time.sleep(.002)
            worker.between()
    go = threading.Event()
    a.post(lambda: (go.wait(PATIENCE), work("a", a)))
    b.post(lambda: work("b", b))
    go.set()
    assert a.wait(PATIENCE) and b.wait(PATIENCE)
    assert "b" in seen[seen.index("a"):50 + seen.index("a")], "b need not wait until a has ended"
    for w in (a, b): w.end(PATIENCE)


# --- what it finds

def test_what_is_found_does_not_depend_on_what_was_clicked(asked, model, scene):
    word = word_of(asked)
    asked.select(0).select(3)                       # searches that do not end
    asked.select(word).wait()
    e = eagle_nb.explain(model, scene.image, PROMPT, asked.case.answer, word, regions=12, budget=96, show_progress=False)
    assert np.array_equal(asked.shown.order, e.order) and asked.shown.forwards == e.forwards
    np.testing.assert_allclose(asked.shown.by_region(), e.by_region(), atol=1e-5)
    np.testing.assert_allclose(asked.shown.token_insertion, e.token_insertion, atol=1e-5)


def test_the_model_computes_no_set_twice(asked):
    word = word_of(asked)
    asked.select(word).wait()
    computed = len(asked.case.scorer.known)
    del asked.case.found[asked.columns]
    asked.select(None).select(word).wait()
    assert len(asked.case.scorer.known) == computed and not asked.state()["estimated"]


def test_a_click_shows_a_map_before_its_search_ends(asked):
    columns = asked._columns(word_of(asked))
    asked.settings = {**asked.settings, "budget": 400}
    asked.select(list(columns))
    until(lambda: asked.state()["estimated"] is not None)
    assert asked.shown.order.shape == (len(asked.case.regions),)
    asked.wait()
    assert asked.state()["estimated"] is False


def test_the_first_map_comes_with_the_first_sets(x, monkeypatch):
    monkeypatch.setattr(Explorer, "pause_between", 0.)
    seen = []
    x.listeners.append(lambda: seen.append((len(x.case.scorer.known), x.shown is not None))
                       if x.case is not None and x.case.scorer is not None else None)
    x.ask(PROMPT).select(0).wait()
    first = next(known for known, shown in seen if shown)
    assert first < len(x.case.scorer.known)/2


@pytest.mark.parametrize("most", [4, 64, 200])
def test_some_of_many_sets_are_whole_pairs_from_all_the_search(asked, most):
    scorer, columns = asked.case.scorer, asked.columns
    keep, p = scorer.snapshot(columns, most).scored()
    every = {row.tobytes(): i for i, row in enumerate(scorer.snapshot(columns, 10**6).scored()[0])}
    assert len(every) == len(scorer.known) and 0 < len(keep) <= most
    at = np.array([every[row.tobytes()] for row in keep])
    assert (mates(keep) >= 0).mean() > .9, "a set is left without its complement"
    assert at.max() - at.min() > len(every)/2, "all come from one part of the search"
    np.testing.assert_array_equal(p, scorer.snapshot(columns, 10**6).scored()[1][at])


def test_selecting_before_the_answer_is_there(x):
    x.ask(PROMPT).select(1).wait()
    assert x.state()["selected"] == [1] and x.state()["status"] == "done"


@pytest.mark.parametrize("which", [0, slice(1, 3), [0, 2], None])
def test_selections(asked, which):
    asked.select(which).wait()
    n = len(asked.case.answer)
    want = asked.whole() if which is None else tuple(range(n))[which] if isinstance(which, slice) else np.atleast_1d(which)
    assert asked.state()["selected"] == list(want) and asked.state()["status"] == "done"


def test_several_words(asked):
    a, b = asked.words()[0], asked.words()[1]
    asked.select([a["text"], b["text"]]).wait()
    assert set(asked.state()["selected"]) == {*a["tokens"], *b["tokens"]}


def test_hiding_regions_asks_the_model(asked):
    asked.select(word_of(asked)).wait()
    first = int(asked.shown.order[0])
    keep = np.ones((1, len(asked.case.regions)), bool)
    keep[0, first] = False
    import torch
    true = float(asked.case.scorer.fresh(asked.columns)(torch.as_tensor(keep)).mean())
    assert asked.hide(first) == pytest.approx(true, abs=1e-6)
    assert asked.state()["hidden"] == [first] and asked.state()["p_hidden"]["whole"] == pytest.approx(asked.hide([]), abs=1e-6)


def test_hiding_is_answered_while_a_search_runs_and_while_it_is_paused(x):
    x.set(budget=2000, regions=30)
    x.ask(PROMPT)
    until(lambda: x.state()["forwards"] > 0)
    assert 0 <= x.hide([0, 1]) <= 1
    x.pause()
    assert x.state()["status"] == "paused" and 0 <= x.hide([2]) <= 1
    before = x.state()["forwards"]
    time.sleep(.3)
    assert x.state()["forwards"] == before and "resume" in x.state()["message"]
    x.wait()
    x.resume()
    until(lambda: x.state()["forwards"] > before)
    x.cancel()
    x.wait(PATIENCE)
    assert x.state()["status"] == "cancelled" and len(x.case.scorer.known) > 0


def test_settings_explain_the_selection_again(asked):
    asked.select(1).wait()
    asked.set(regions="grid 9").wait()
    s = asked.state()
    assert len(s["order"]) == 9 and s["selected"] == [1] and s["status"] == "done"
    asked.set(lam=(1, 0), search="one_shot", budget=None).wait()
    assert asked.shown.settings["search"] == "one_shot" and asked.shown.lam == (1, 0)


# --- what is done with it

def test_code_reproduces_the_state(asked, tmp_path):
    asked.select(word_of(asked)).wait()
    found = {}
    exec(asked.code(), found)   # the image stands in it: it was given as pixels
    assert np.array_equal(found["e"].order, asked.shown.order)
    assert np.array_equal(found["e"].image, asked.shown.image)
    path = tmp_path/"it's an image.png"
    Image.fromarray(asked.image).save(path)
    asked.set_image(path).ask().wait()
    assert f"image = {str(path)!r}" in asked.code()
    asked.set(regions="grid 4").wait()
    exec(asked.code(), found)
    assert np.array_equal(found["e"].order, asked.shown.order) and len(asked.shown.order) == 4


def test_back_and_files(asked, tmp_path):
    whole = asked.shown
    asked.select(1).wait().set(regions="grid 6").wait()
    case = asked.case
    asked.back(1)
    assert asked.state()["selected"] == [1]
    asked.back(-1)
    assert asked.case is case and asked.settings["regions"] == "grid 6", "its scores are there to go on with"
    asked.back(0)
    assert np.array_equal(asked.shown.order, whole.order) and asked.state()["selected"] == list(whole.target.positions)
    asked.save(tmp_path/"e.safetensors").png(tmp_path/"e.png").to_html(tmp_path/"e.html")
    assert Image.open(tmp_path/"e.png").size == whole.image.shape[1::-1]
    assert "<" in (tmp_path/"e.html").read_text()
    other = Explorer(asked.model, budget=96)
    other.load(tmp_path/"e.safetensors")
    assert np.array_equal(other.shown.order, whole.order) and other.state()["answer"] == whole.answer.text
    other.select(1).wait()
    assert other.state()["status"] == "done" and len(other.state()["order"]) == len(whole.order)
    other.close()


def test_a_question_that_fails_leaves_what_was_there(asked, monkeypatch):
    before = asked.state()
    def fail(*args, **kwargs): raise ValueError("too long")
    monkeypatch.setattr(type(asked.model), "answer", fail)
    now = asked.ask("x"*3000).wait().state()
    assert now["status"] == "failed" and "too long; what was there before is shown" in now["message"]
    assert (now["order"], now["prompt"], now["answer"]) == (before["order"], before["prompt"], before["answer"])


@pytest.mark.parametrize("wrong, said", [(dict(regions=100_000), "regions must be a whole number from 1 to 1000, got 100000"),
                                         (dict(regions="grid 0"), "got 'grid 0'"), (dict(regions=None), "got None"), (dict(seed=-1), "seed must be"),
                                         (dict(budget=1), "a budget of 1 forwards is too small"), (dict(lam=(0, 0)), "lam")])
def test_settings_that_cannot_be_leave_the_map(asked, wrong, said):
    before = asked.state()
    now = asked.set(**wrong).state()
    assert said in now["message"] and asked.refused
    assert (now["order"], now["settings"], now["status"]) == (before["order"], before["settings"], "done")


def test_the_same_settings_go_on_with_a_search_that_was_cancelled(asked):
    asked.set(budget=200).pause().cancel()
    asked._worker.wait()
    assert asked.state()["status"] == "cancelled"
    assert asked.set(budget=200).wait().state()["status"] == "done"
    assert asked.state()["forwards"] == asked.state()["history"][-1]["forwards"] == asked.shown.forwards


def test_settings_that_were_typed_are_those_of_the_question(asked):
    asked._on_message(dict(do="ask", serial=9, question="Describe the image.", settings=dict(regions=5)), [])
    assert len(asked.wait().shown.regions) == 5
    asked._on_message(dict(do="ask", serial=10, question="Describe the image.", settings=dict(regions=0)), [])
    assert asked.refused and len(asked.shown.regions) == 5
    before = dict(asked.settings)
    asked._on_message(dict(do="ask", serial=11, question="  ", settings=dict(fill="mean")), [])
    assert asked.refused and asked.settings == before, "what is shown was made with them"


def test_a_failure_that_comes_late_leaves_the_next_question(asked, monkeypatch):
    begun, answer = threading.Event(), type(asked.model).answer
    def fail(model, image, question, *args):
        if question != "first": return answer(model, image, question, *args)
        begun.set()
        time.sleep(.3)
        raise ValueError("too late")
    monkeypatch.setattr(type(asked.model), "answer", fail)
    asked.ask("first")
    begun.wait(10)
    assert asked.ask("Describe the image.").wait().state()["status"] == "done"
    assert asked.state()["prompt"] == "Describe the image."


def test_an_explanation_of_another_model_is_told(asked, tmp_path):
    "What is selected in it is computed by the model of the explorer."
    e = replace(asked.shown, settings={**asked.shown.settings, "model": "another"})
    asked._take(e, "theirs.safetensors")
    assert asked.state()["message"] == "theirs.safetensors is of another; what you select now is computed by scenes-llava"


def test_two_fills_share_one_scale(asked):
    asked.compare(fill="mean").wait()
    c = asked.state()["compare"]
    values = np.array(c["first"]["values"] + c["second"]["values"])
    assert c["vmax"] >= values.max() and -1 <= c["rank_correlation"] <= 1 and "mean" in c["second"]["name"]
    pair = asked.box.pair
    asked._sender.wait(PATIENCE)
    assert asked.box.pair["first"]["vmax"] == asked.box.pair["second"]["vmax"] == c["vmax"]


def test_each_map_has_its_unit(asked):
    "Values of measured maps and of estimates are probabilities; what follows from the curves is a change of F."
    asked.select(1).wait()
    guess = WordMap("?", (0,), asked.shown.order, asked.shown.insertion, asked.shown.deletion, asked.image,
                    asked.case.regions, asked.shown.lam)
    asked.case.guess((0,), guess)
    data = answer_data(asked)
    assert data["unit"]["name"] == asked.shown.unit("smooth").name and data["gains"]["name"] == guess.unit().name
    for columns, m in asked.maps().items():
        entry = next(d for d in data["maps"] if d["words"] == asked.chips(columns))
        assert ("height" in entry) == (m.values is not None), "without values the browser draws gains"
    assert Image.open(io.BytesIO(asked.png_bytes())).size == asked.image.shape[1::-1]


def test_one_scale_has_one_unit(asked):
    asked.compare(search="one_shot").wait()
    assert pair_data(asked)["first"]["unit"] == pair_data(asked)["second"]["unit"] == asdict(asked.shown.unit("smooth"))
    a, first, b, second = asked.comparison
    asked.comparison = a, first, b, replace(second, values=None) # as of a file without values
    pair, c = pair_data(asked), asked.state()["compare"]
    assert pair["first"]["unit"] == pair["second"]["unit"] == asdict(first.unit("gain"))
    assert not any("height" in m for side in pair.values() for m in side["maps"])
    assert c["vmax"] == pytest.approx(max(first.by_region("gain").max(), second.by_region("gain").max()))
    assert c["second"]["values"] == second.by_region("gain").tolist()
    assert asked.shared_map_scale().unit == first.unit("gain") and asked.shared_map_scale().vmax == pytest.approx(c["vmax"])
    assert len(asked.open_tab("compare").figure().axes) == 2, "both maps are drawn on that scale"


def test_settings_of_the_history_come_back_with_their_own_maps(asked):
    "The same image and regions under other weights: two explanations of one selection, told apart."
    asked.set(lam=(1, 0)).wait()
    asked.back(0)
    assert asked.settings["lam"] == (1, 1) and asked.maps()[asked.columns].lam == (1, 1)
    asked.back(1)
    assert asked.settings["lam"] == (1, 0) and asked.maps()[asked.columns].lam == (1, 0)


def test_what_was_compared_can_be_gone_back_to(asked, scene):
    asked.compare(fill="mean").wait()
    asked.compare(regions=9).wait()
    asked.compare(image=np.asarray(scene.image)[:, ::-1].copy()).wait()
    first, fill, regions, image = (asked.back(i).state() for i in range(4))
    assert [s["settings"]["fill"] for s in (first, fill, regions)] == ["black", "mean", "black"]
    assert (regions["settings"]["regions"], len(regions["order"])) == (9, len(asked.history[2][0].regions))
    assert len(asked.history) == 4 and np.array_equal(asked.image, np.asarray(scene.image)[:, ::-1])
    asked.select(0).wait()
    assert asked.state()["status"] == "done", asked.state()["message"]


def test_each_word_is_decided_as_by_the_functions(asked):
    e = asked.shown
    table = decide(influence_draws(e, 8))
    assert asked.decide(orders=1).refused and "decision" not in asked.words()[0]
    assert asked.decide().wait().state()["status"] == "done", asked.state()["message"]
    found = {tuple(w["tokens"]): w["decision"] for w in asked.words() if "decision" in w}
    expected = {at: d for (_, at), d in zip(e.target_words, table["decision"])}
    assert {k: found[tuple(e.target.positions[i] for i in k)] for k in expected} == expected
    lower = [w["lower"] for w in asked.words() if "decision" in w]
    np.testing.assert_allclose(lower, table["lower"], atol=1e-5)
    json.dumps(asked.state())


def test_a_loaded_explanation_is_decided_too(asked, tmp_path):
    asked.save(tmp_path/"e.safetensors").load(tmp_path/"e.safetensors").decide(2).wait()
    assert all(w["decision"] in ("evidence", "prior", "undecided") for w in asked.words())


def test_hiding_ends_with_the_session(asked):
    "A probability that is waited for when the explorer closes does not come, and is not waited for any longer."
    asked.set(budget=2000, regions=30)
    until(lambda: asked.state()["forwards"] > 0)
    found = []
    asked._worker.post = lambda *a, **k: None # it is never measured
    waiting = threading.Thread(target=lambda: found.append(asked.hide([0])))
    waiting.start()
    asked.close()
    waiting.join(PATIENCE)
    assert found == [None]


def test_another_image_is_compared_by_the_same_word(asked):
    asked.select("a" if "a" in [w["text"] for w in asked.words()] else asked.words()[0]["text"]).wait()
    asked.compare(image=eagle_nb.scenes.sample(3).image).wait()
    c = asked.state()["compare"]
    assert c["rank_correlation"] is None and c["second"]["answer"] == asked.model.answer(eagle_nb.scenes.sample(3).image, PROMPT).text


def test_a_correction_ends_with_a_verdict(asked):
    asked.select(word_of(asked)).wait().correct("zebra").wait()
    c = asked.state()["correction"]
    assert c["verdict"] and c["foil"] == "zebra" and asked.state()["message"] == c["verdict"]
    json.dumps(asked.live_data())


# --- what goes wrong

def test_each_failure_is_a_message_that_says_what_to_do(model):
    x = Explorer(model, regions=12, budget=96)
    said = lambda: x.state()["message"]
    x.ask(PROMPT); assert "choose a sample" in said()
    x.select("cat"); assert "ask a question first" in said()
    assert x.hide(0) is None and "ask a question first" in said()
    x.compare(fill="mean"); assert "ask a question first" in said()
    x.correct("cat"); assert "ask a question first" in said()
    x.pause(); assert "nothing to pause" in said()
    x.back(0); assert "history is empty" in said()
    x.save("/nowhere/e"); assert "nothing to write" in said()
    x.set_image(b"GIF89a, but no image"); assert "no image that can be read" in said()
    x.set_image("/no/such/file.png"); assert "no image at" in said()
    x.set_image(np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)))
    assert "100 megapixels" in said() and "make it smaller" in said() and MAX_PIXELS < 10**8
    x.choose_sample("scene 1")
    x.ask("  "); assert "question is empty" in said()
    x.set(search="magic"); assert "choose one of" in said()
    x.set(magic=1); assert "unknown setting" in said()
    x.ask(PROMPT).wait()
    assert x.state()["status"] == "done"
    x.select("unicorn"); assert "not in the answer" in said()
    assert x.hide([99]) is None and "from 0 to" in said()
    x.compare(); assert "one thing at a time" in said()
    x.correct(" "); assert "right word is empty" in said()
    x._on_message({"do": "nonsense"}, []); assert "try again" in said()
    x.select(0).wait()
    assert x.state()["status"] == "done"
    x.close()
    x.ask(PROMPT); assert "closed" in said() and "run its cell again" in said()
    assert x.hide(0) is None and x.state()["status"] == "closed"
    x.close()


def test_a_file_of_100_megapixels_is_not_decoded(x, tmp_path, monkeypatch):
    path = tmp_path/"large.png"
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).save(path)
    monkeypatch.setattr(Image.Image, "load", lambda *a: pytest.fail("it was decoded"))
    x.set_image(path)
    assert "81 megapixels" in x.state()["message"]


def test_a_model_that_fails_half_way(x, monkeypatch):
    from eagle_nb.core.forward import Forward
    real, calls = Forward.__call__, []
    def broken(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2: raise RuntimeError("CUDA error: an illegal memory access")
        return real(self, *args, **kwargs)
    monkeypatch.setattr(Forward, "__call__", broken)
    x.ask(PROMPT).wait()
    s = x.state()
    assert s["status"] == "failed" and "illegal memory access" in s["message"] and "select or ask again" in s["message"]
    x.select(None).wait()
    assert x.state()["status"] == "done" and len(x.case.scorer.known) > 0


def test_two_searches_at_once(asked, model):
    "A new selection takes the place of the old one; a second comparison is refused; two explorers take turns."
    asked.set(budget=1500, regions=30)
    until(lambda: asked.state()["forwards"] > 0)
    asked.compare(fill="mean")
    asked.compare(search="exact")
    assert "is running" in asked.state()["message"]
    other = Explorer(model, regions=12, budget=96)
    other.set(max_new_tokens=4, budget=48) # each token and each batch waits for a batch of the first
    other.choose_sample("scene 3").ask(PROMPT).wait(PATIENCE)
    assert other.state()["status"] == "done" and not asked._worker.idle
    asked.select(1)
    assert asked.state()["status"] == "searching"
    asked.cancel()
    asked.wait(PATIENCE)
    asked.set(budget=96, regions=12).wait()
    asked.compare(fill="mean").wait()
    assert asked.state()["compare"] is not None
    other.close()


def test_a_new_question_takes_the_place_of_one_that_waits(x):
    for _ in range(3): x.ask("What is this?")
    x.ask(PROMPT).wait()
    assert x.state()["prompt"] == x.case.prompt == PROMPT and x.state()["status"] == "done"


# --- nothing left behind

def test_200_clicks_leave_memory_flat(asked):
    n = len(asked.case.answer)
    def click(k):
        asked.select([k % n, (3*k + 1) % n]) # its search is cancelled by the next click
        until(lambda: asked.shown is not None)
    for k in range(60): click(k)
    asked.cancel(); asked._worker.wait(PATIENCE); gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for k in range(200): click(k)
    asked.cancel(); asked._worker.wait(PATIENCE); gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 8e6, f"{grown/1e6:.1f} MB more after 200 clicks"
    assert len(asked.case.found) <= 16 and len(asked.history) <= asked.events and len(asked._cases) <= asked.cases


def test_closing_ends_threads_and_widgets(model):
    before, threads = open_widgets(), threading.active_count()
    x = Explorer(model, regions=12, budget=5000)
    x.choose_sample("scene 2").ask(PROMPT)
    until(lambda: x.state()["forwards"] > 0)
    x.close()
    until(lambda: threading.active_count() <= threads)
    assert open_widgets() == before and x.state()["status"] == "closed" and x.text()


def test_a_forgotten_explorer_goes(model):
    before = open_widgets()
    x = Explorer(model, regions=12, budget=48)
    x.choose_sample("scene 2").ask(PROMPT).wait()
    x._sender.wait(PATIENCE)
    known = weakref.ref(x)
    del x
    def gone():
        gc.collect()
        return known() is None
    until(gone)
    assert open_widgets() == before


def test_a_cell_that_runs_again_closes_the_earlier_one(monkeypatch, model):
    set_cell(monkeypatch, "a", 1)
    first = Explorer(model)
    set_cell(monkeypatch, "a", 2)
    second = Explorer(model)
    assert first.closed and not second.closed
    second.close()


def test_python_ends_while_a_search_runs():
    code = ("import eagle_nb; from eagle_nb.apps.explorer import Explorer\n"
            "x = Explorer(eagle_nb.load('scenes-llava', dtype='float32'), budget=9000)\n"
            "x.choose_sample('scene 3').ask('Describe the image.')\n"
            "import time\n"
            "while not x.state()['forwards']: time.sleep(.02)\n"
            "print('leaving')")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=2*PATIENCE)
    assert r.returncode == 0 and "leaving" in r.stdout, r.stderr[-2000:]


# --- what the browser gets

def test_the_browser_gets_plain_data_and_text_stays_text(x, model):
    evil = '<script>alert("1")</script> & 猫 مرحبا 😀'
    x.ask(evil).wait()
    x._later(); x._sender.wait(PATIENCE)
    for name in ("picture", "view", "live", "pair"): json.dumps(getattr(x.box, name))
    assert x.box.view["question"] == evil and x.box.live["prompt"] == evil
    assert "innerHTML" not in x.box._esm and "insertAdjacentHTML" not in x.box._esm


@pytest.mark.parametrize("shape", [(900, 20, 3), (20, 900, 3), (3000, 4000, 3)])
def test_long_and_large_images_stay_usable(model, shape):
    x = Explorer(model, regions=8, budget=48)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (shape[0]//10, shape[1]//10, 3), dtype=np.uint8)
    x.set_image(np.kron(small, np.ones((10, 10, 1), np.uint8))).ask(PROMPT).wait()
    assert x.state()["status"] == "done", x.state()["message"]
    x._later(); x._sender.wait(PATIENCE)
    sizes = {name: len(json.dumps(getattr(x.box, name))) for name in ("picture", "view", "live")}
    assert sizes["picture"] < 1_000_000 and sizes["live"] < 60_000, sizes
    assert Image.open(io.BytesIO(x.png_bytes())).size == shape[1::-1]
    x.close()


def test_without_a_front_end_there_is_an_image_and_a_text(asked):
    shown = asked._repr_mimebundle_()
    assert set(shown) == {"text/plain", "image/png"} and asked.case.answer.text in shown["text/plain"]


def test_chips_are_selected_by_their_place_and_the_number_of_the_click_comes_back(asked):
    asked._on_message(dict(do="select", words=[1, 2], serial=7), [])
    asked.wait()
    live_data = asked.live_data()
    assert live_data["selected"] == [1, 2] and live_data["serial"] == 7
    asked._on_message(dict(do="image", serial=8), [memoryview(b"nothing")])
    assert "no image" in asked.state()["message"] and asked.live_data()["serial"] == 8
