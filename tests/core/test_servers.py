"A served model gives the numbers of the same model here, whatever happens on the way; and says what it cannot."
import json
import random
import signal
import threading
import time

import numpy as np
import pytest
import torch
from conftest import PROMPT, official, read, same_rank
from model_server import ModelServer

import eagle_nb
from eagle_nb.core.connections import CapReached, Unanswered
from eagle_nb.core.regions import grid
from eagle_nb.core.servers import SaidTokens, connect, make_scorer
from eagle_nb.core.targets import make_target

MODELS = ("scenes-llava", "scenes-qwen", "scenes-internvl")


@pytest.fixture(scope="module")
def local(): return {name: eagle_nb.load(name, dtype="float32", device="cpu", check=False) for name in MODELS}


@pytest.fixture
def serve(local):
    "Servers that stop after the test."
    started = []
    def start(name="scenes-llava", **kwargs):
        started.append(ModelServer(local[name], **kwargs).start())
        return started[-1]
    yield start
    for s in started: s.stop()


def hurry(model):
    model.connection.waits = .01, .05
    return model


def load(server, **kwargs): return hurry(connect(server.url, **{"tokenizer": server.model.name, **kwargs}))
def keeps(n, regions=9, seed=0): return torch.rand(n, regions, generator=torch.manual_seed(seed)) > .5


@pytest.fixture
def case(scene):
    "An image, its 9 regions, sets of them, and an object that the caption names."
    image = read(scene.image)
    return image, grid(image, 3, 3), keeps(6), scene.names[-1]


# --- the same numbers

@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", ["prompt_logprobs", "input_logprobs", "top_logprobs"])
def test_the_numbers_of_the_model_itself(serve, local, case, name, way):
    image, parts, keep, word = case
    tells = dict(prompt_logprobs=("prompt", "top"), input_logprobs=("input",), top_logprobs=("top",))[way]
    server = serve(name, tells=tells, software="sglang" if way == "input_logprobs" else "vllm")
    m = load(server, way=way, top=20)
    answer = m.answer(image, PROMPT)
    assert answer == local[name].answer(image, PROMPT)
    foil = "zebra"
    for target, foil in ((word, None), (None, None), (0, None), (word, foil)):
        if way == "top_logprobs" and target is None: continue
        t = make_target(m, answer, target, foil)
        scorer = make_scorer(m, image, PROMPT, t, parts)
        p, (low, high) = scorer(keep), scorer.bounds(keep)
        if name == "scenes-qwen": truth = make_scorer(local[name], image, PROMPT, t, parts, mode="pixels")(keep).numpy()
        else: truth = official(local[name], image, PROMPT, t.forced, parts.labels, keep.numpy())[:, list(t.positions)]
        if way != "top_logprobs":
            assert np.abs(p.numpy() - truth).max() < 1e-5 and torch.equal(low, high) and torch.equal(low, p)
        assert (low.numpy() - 1e-5 <= truth).all() and (truth <= high.numpy() + 1e-5).all()
        assert p.shape == (len(keep), len(t)) and scorer.forwards == len(keep)


def test_the_same_explanation(serve, local, case):
    image, parts, _, word = case
    m = load(serve())
    ask = dict(image=image, prompt=PROMPT, target=word, regions=parts, budget=64, show_progress=False, seed=3)
    a, b = eagle_nb.explain(local["scenes-llava"], mode="pixels", **ask), eagle_nb.explain(m, **ask)
    assert a.order[0] == b.order[0] and same_rank(a.order, b.order) == 1 and a.forwards == b.forwards
    assert np.abs(a.token_insertion - b.token_insertion).max() < 1e-5
    assert b.settings["backend"] == "vllm 0.0-test" and b.settings["way"] == "prompt_logprobs" and "uncertainty" not in b.settings
    again = eagle_nb.Explanation.from_bytes(b.to_bytes())
    assert again.settings["backend"] == b.settings["backend"] and str(again) == str(b)


def test_images_travel_without_loss(serve, case):
    image, parts, keep, word = case
    server = serve()
    m = load(server)
    scorer = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), word), parts, "mean")
    server.images.clear()
    scorer(keep[:1])
    shown = np.where(parts.mask(keep[0].numpy())[..., None], image, scorer.fill)
    assert np.array_equal(np.asarray(server.images[0][0]), shown)


def test_conversations_with_further_images_and_a_system_turn(serve, local, case):
    image, parts, keep, _ = case
    server = serve("scenes-qwen", tells=("prompt",))
    m = load(server, system="Look closely.")
    other = np.full((40, 60, 3), 77, np.uint8)
    prompt = [dict(role="user", content=[dict(type="image", image=other), dict(type="text", text="This is grey."), dict(type="image"),
                                         dict(type="text", text=PROMPT)])]
    answer = m.answer(image, prompt)
    server.images.clear()
    make_scorer(m, image, prompt, make_target(m, answer), parts)(keep[:2])
    assert [np.asarray(i).shape for i in server.images[0]] == [other.shape, image.shape]
    assert np.array_equal(np.asarray(server.images[0][0]), other)
    assert server.seen[-1]["messages"][0] == dict(role="system", content="Look closely.")


# --- bounds

def test_a_token_outside_the_likeliest_has_bounds_that_hold(serve, local, case):
    image, parts, keep, word = case
    m = load(serve(tells=("top",)), way="top_logprobs", top=2)
    t = make_target(m, m.answer(image, PROMPT), word, "zebra")
    scorer = make_scorer(m, image, PROMPT, t, parts)
    p, (low, high) = scorer(keep), scorer.bounds(keep)
    truth = torch.tensor(official(local["scenes-llava"], image, PROMPT, t.forced, parts.labels, keep.numpy())[:, list(t.positions)])
    outside = high > low
    assert outside.any() and (low <= truth + 1e-6).all() and (truth <= high + 1e-6).all()
    assert torch.allclose(p[outside], (low + high)[outside]/2)
    told = scorer.uncertainty()
    assert told["share"] > 0 and told["most"] == pytest.approx(float((high - low).max()/2))


def test_a_sampled_token_among_the_likeliest_is_no_bound_for_others(serve, case):
    image, parts, keep, word = case
    m = load(serve(tells=("top",)), way="top_logprobs", top=3)
    way = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), 0), parts).way
    assert way._rest([.5, .2, .1, .001], .001) == pytest.approx(.1) and way._rest([.5, .2, .1], .5) == pytest.approx(.1)
    assert way._rest([.9, .05, .04, .001], .001) == pytest.approx(.009) and way._rest([], 0.) == 1


def test_samples_have_an_interval_that_holds(serve, local, case):
    image, parts, _, word = case
    keep = keeps(24)
    m = load(serve(tells=(), max_choices=5), way="sampling", samples=10)
    assert m.choices == 1, "10 in one request are refused, so each is asked for alone"
    m = load(serve(tells=()), way="sampling", samples=100)
    assert m.choices == 100
    t = make_target(m, m.answer(image, PROMPT), word)
    scorer = make_scorer(m, image, PROMPT, t, parts)
    low, high = scorer.bounds(keep)
    truth = torch.tensor(official(local["scenes-llava"], image, PROMPT, t.forced, parts.labels, keep.numpy())[:, list(t.positions)])
    inside = ((low <= truth + 1e-6) & (truth <= high + 1e-6)).float().mean()
    assert inside >= .85 and (high - low).min() > .01, "95 % in the long run"
    with pytest.warns(UserWarning, match="known to ±"):
        e = eagle_nb.explain(m, image, PROMPT, target=word, regions=parts, budget=20, show_progress=False)
    assert e.settings["uncertainty"]["way"] == "sampling" and .02 < e.settings["uncertainty"]["mean"] < .2


# --- what a server lacks

def test_a_server_without_probabilities(serve):
    with pytest.raises(ValueError, match=r"tells no probabilities.*prompt_logprobs: .*top_logprobs: .*way='sampling'"): load(serve(tells=()))


def test_no_beginning_of_an_answer(serve, case):
    image, parts, keep, word = case
    m = load(serve(tells=("top",), prefill=False))
    assert m.prefill is None
    answer = m.answer(image, PROMPT)
    with pytest.raises(ValueError, match="only its first token can be explained"): make_scorer(m, image, PROMPT, make_target(m, answer, word), parts)
    assert make_scorer(m, image, PROMPT, make_target(m, answer, 0), parts)(keep).shape == (6, 1)


def test_an_endpoint_as_strict_as_openai_whose_tokenizer_nobody_knows(serve, local, case):
    image, parts, keep, word = case
    server = serve(tells=("top",), strict=True, software="somebody", alias="closed-1", prefill=False)
    m = hurry(connect(server.url))
    assert isinstance(m.tokenizer, SaidTokens) and m.way == "top_logprobs" and m.prefill is None
    answer = m.answer(image, PROMPT)
    assert answer.text == local["scenes-llava"].answer(image, PROMPT).text
    t = make_target(m, answer, 0)
    p = make_scorer(m, image, PROMPT, t, parts)(keep)
    ids = local["scenes-llava"].answer(image, PROMPT).ids
    truth = official(local["scenes-llava"], image, PROMPT, ids[:1], parts.labels, keep.numpy())
    assert np.abs(p.numpy() - truth).max() < 1e-5
    with pytest.raises(ValueError, match="not known.*tokenizer="): make_target(m, answer, 0, "Xylophone")
    known = next(text for text in m.tokenizer.texts if text.strip() and text != answer.tokens[0])
    assert make_target(m, answer, 0, known).foil == known.strip()
    assert eagle_nb.explain(m, image, PROMPT, target=0, regions=parts, budget=20, show_progress=False).forwards >= 20


def test_what_needs_the_weights_says_so(serve, case):
    image, parts, keep, word = case
    m = load(serve())
    ask = dict(image=image, prompt=PROMPT, target=word, regions=parts, budget=24, show_progress=False)
    for wrong, why in ((dict(fill="drop"), "fill='drop'"), (dict(prompt_words=True), "shows no weights"), (dict(regions="tokens"), "shows no weights"),
                       (dict(screen="drop"), "needs a scorer of a model")):
        with pytest.raises(ValueError, match=why): eagle_nb.explain(m, **{**ask, **wrong})
    table = eagle_nb.evaluate(m, [eagle_nb.Sample("a", image, target=word)], ["occlusion", "TAM"], ["insertion"], regions=4, show_progress=False)
    assert "shows no weights" in table.report() and table.frame["insertion"].notna().tolist() == [True, False]


# --- another model than was meant

def test_another_tokenizer(serve):
    with pytest.raises(ValueError, match="tokenizer="): load(serve("scenes-llava"), tokenizer="scenes-internvl")
    with pytest.raises(ValueError, match="cannot load the tokenizer"): load(serve(), tokenizer="/nowhere/at/all")


def test_a_model_that_changes_under_way(serve, case):
    image, parts, keep, word = case
    server = serve()
    m = load(server)
    scorer = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), word), parts)
    scorer(keep[:3])
    server.fault = lambda k: lambda a: {**a, "model": "another"}
    with pytest.raises(ValueError, match="now as 'another'"): scorer(keep)
    server.fault = lambda k: lambda a: {**a, "system_fingerprint": "f2"}
    with pytest.raises(ValueError, match="fingerprint 'f2' and had 'f1'"): scorer(keep)
    many = serve(software="somebody", tells=("top",))
    m = load(many, way="top_logprobs")
    scorer = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), 0), parts)
    many.fault = lambda k: lambda a: {**a, "system_fingerprint": f"f{k % 2}"}
    scorer(keep)
    assert scorer.uncertainty()["fingerprints"] >= 2, "somebody's many machines are told"


def test_other_weights_under_the_same_name(serve, local, case):
    image, parts, keep, word = case
    server = serve("scenes-qwen", alias="mine")
    m = load(server, tokenizer="scenes-qwen")
    scorer = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), word), parts)
    scorer(keep[:1])
    scorer.uncertainty()
    server.fault = lambda k: lambda a: {**a, "prompt_logprobs": [r and {i: dict(logprob=min(0., v["logprob"]) - 3) for i, v in r.items()} for r in a["prompt_logprobs"]]}
    with pytest.raises(ValueError, match="another model may have taken its place"): scorer.uncertainty()


def test_other_tokens_in_one_answer_are_noticed(serve, case):
    image, parts, keep, word = case
    server = serve()
    m = load(server)
    scorer = make_scorer(m, image, PROMPT, make_target(m, m.answer(image, PROMPT), word), parts)
    server.fault = lambda k: lambda a: {**a, "prompt_token_ids": [*a["prompt_token_ids"][:-1], 3]}
    with pytest.raises(ValueError, match="as the tokens"): scorer(keep)


def test_names(serve):
    server = serve(alias="mine")
    assert load(server).name == "mine"
    with pytest.raises(ValueError, match="serves no model 'yours': choose one of mine"): load(server, model="yours")
    with pytest.raises(ValueError, match="say how a checkpoint is read"): eagle_nb.load(server.url, dtype="float32")
    with pytest.raises(ValueError, match="unknown way 'guessing'"): load(server, way="guessing")
    assert load(serve(names=False), model="scenes-llava").name == "scenes-llava"


# --- what happens on the way

def shuffled(rng):
    "Answers come back in another order than they were asked for."
    return lambda k: rng.random()*.05


FAULTS = {
    "drop": lambda rng: lambda k: "drop" if rng.random() < .3 else None,
    "delay and reorder": shuffled,
    "truncate": lambda rng: lambda k: "truncate" if rng.random() < .3 else None,
    "garble": lambda rng: lambda k: "garble" if rng.random() < .3 else None,
    "busy": lambda rng: lambda k: (429, dict(error="busy"), (("retry-after", "0.02"),)) if rng.random() < .3 else None,
    "broken": lambda rng: lambda k: (500, dict(error="broken")) if rng.random() < .3 else None,
    "half": lambda rng: lambda k: (lambda a: {**a, "prompt_logprobs": None}) if rng.random() < .3 else None,
    "not a number": lambda rng: lambda k: (lambda a: {**a, "prompt_logprobs": [{k: dict(logprob="NaN") for k in row or {}} for row in a["prompt_logprobs"]]})
                    if rng.random() < .3 else None,
    "all": lambda rng: lambda k: rng.choice([None, None, "drop", "truncate", "garble", .05, (503, {}), (lambda a: {"error": "no"})]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_change_no_number(serve, case, fault):
    image, parts, _, word = case
    keep, server = keeps(40), serve()
    m = load(server, retries=12, concurrency=6, timeout=20)
    t = make_target(m, m.answer(image, PROMPT), word)
    want = make_scorer(m, image, PROMPT, t, parts)(keep)
    server.fault, server.most = FAULTS[fault](random.Random(0)), 0
    scorer = make_scorer(m, image, PROMPT, t, parts)
    assert torch.equal(scorer(keep), want)
    assert scorer.forwards == len({r.numpy().tobytes() for r in keep}) and 1 < server.most <= 6


def test_nothing_is_asked_twice_after_a_failure(serve, case):
    image, parts, _, word = case
    keep, server = keeps(60, seed=1), serve()
    m = load(server, retries=0, concurrency=4)
    t = make_target(m, m.answer(image, PROMPT), word)
    want = make_scorer(m, image, PROMPT, t, parts)(keep)
    scorer, start = make_scorer(m, image, PROMPT, t, parts), server.requests
    server.fault = lambda k: (503, {}) if k - start > 25 else None
    with pytest.raises(Unanswered, match="What was answered is kept"): scorer(keep)
    time.sleep(.3) # those on their way
    server.fault, before = lambda k: None, server.requests
    assert torch.equal(scorer(keep), want)
    sets = len({r.numpy().tobytes() for r in keep})
    assert server.requests - before <= sets - 25 + 4, "at most the four in hand"
    again, before = make_scorer(m, image, PROMPT, t, parts), server.requests
    assert torch.equal(again(keep), want) and server.requests == before, "a new scorer of the same question knows what was paid"


def test_the_cap_keeps_what_was_found(serve, case):
    image, parts, _, word = case
    server = serve()
    m = load(server)
    ask = dict(image=image, prompt=PROMPT, answer=m.answer(image, PROMPT), target=word, regions=parts, budget=40, show_progress=False)
    m.connection.max_requests = m.connection.traffic.requests + 20
    before = server.requests
    with pytest.raises(CapReached, match="raise `connection.max_requests`"): eagle_nb.explain(m, **ask)
    assert server.requests - before == 20
    m.connection.max_requests = None
    e = eagle_nb.explain(m, **ask)
    alone = load(serve())
    start = alone.connection.traffic.requests
    eagle_nb.explain(alone, **ask)
    assert server.requests - before <= alone.connection.traffic.requests - start + 2 + 8, "what was paid is used, but for two that prepare and those in hand"
    assert e.forwards >= 40
    with pytest.raises(CapReached): load(serve(), max_requests=3)


def test_a_busy_server_is_not_taken_for_one_that_cannot(serve):
    server = serve(fault=lambda k: (503, {}) if k in (2, 3, 4, 5) else None)
    with pytest.raises(Unanswered, match="way='prompt_logprobs'"): load(server)
    with pytest.raises(ValueError, match="port"): connect("http://127.0.0.1:abc")
    for wrong in (dict(top=0), dict(top="x"), dict(samples=2.5), dict(system=5), dict(foo=1), dict(tokenizer=5)):
        with pytest.raises(ValueError, match=next(iter(wrong))): connect(server.url, **wrong)


def test_space_and_twins_of_tokens(serve, case):
    "A server that names tokens without their space, and a token that differs from another by that alone."
    image, parts, keep, word = case
    m = load(serve(tells=("top",), software="somebody"), way="top_logprobs")
    assert m.tells_space
    t = make_target(m, m.answer(image, PROMPT), word)
    way = make_scorer(m, image, PROMPT, t, parts).way
    text = t.tokens[0]
    assert text.startswith(" ")
    sure, outside = way._find([(text, .6), ("x", .1)], .05, 0), way._find([(text.strip(), .6), ("x", .1)], .05, 0)
    assert [float(v[0]) for v in sure] == [.6, .6, .6] and [float(v[0]) for v in outside] == [.3, 0, .6]
    twice = way._find([(text, .3), (text, .2)], .05, 0)
    assert (float(twice[1][0]), float(twice[2][0])) == (.2, .3)


def test_an_end_of_turn_is_no_newline(serve, case):
    image, parts, keep, word = case
    m = load(serve(tells=(), software="somebody"), way="sampling", samples=5)
    way = make_scorer(m, image, PROMPT, make_target(m, m.read("A dog"), 1), parts).way
    way.texts = ["\n"]
    assert not way._says(dict(message=dict(content="")), 0) and way._says(dict(message=dict(content="\n")), 0)


def test_evaluate_ends_with_the_server(serve, tmp_path, case):
    image, _, _, word = case
    server = serve()
    m = load(server)
    data = [eagle_nb.Sample(f"s{k}", eagle_nb.scenes.sample(k).image, target=0) for k in range(3)]
    m.connection.max_requests = m.connection.traffic.requests + 30
    ask = dict(methods=["occlusion", "random"], metrics=["insertion"], regions=4, out=tmp_path/"results.jsonl", show_progress=False)
    with pytest.raises((CapReached, OSError), match="all .* requests"): eagle_nb.evaluate(m, data, **ask)
    m.connection.max_requests = None
    assert eagle_nb.evaluate(m, data, **ask).frame["insertion"].notna().all()
    from eagle_nb.runs.executors import Processes
    with pytest.raises(ValueError, match="max_requests would hold in each process"):
        eagle_nb.run(dict(source=server.url, max_requests=5), data, executor=Processes(2))


def test_estimates_count_what_failed_and_what_nobody_counts(serve, case):
    from eagle_nb.runs.estimates import estimate
    image, _, _, word = case
    data = [eagle_nb.Sample(f"s{k}", eagle_nb.scenes.sample(k).image, target=0 if k % 3 else "nowhere") for k in range(6)]
    ask = dict(regions=4, budget=10)
    m = load(serve())
    guess = estimate(m, data, probes=6, price=(1., 1.), **ask)
    before = m.connection.traffic.copy()
    found = eagle_nb.run(m, data, show_progress=False, **ask)
    sent = m.connection.traffic.since(before)
    assert len(found) == 4 and len(guess.failures) == 2 and "2 of 6 failed" in repr(guess)
    assert guess.frame["total"]["requests"] == pytest.approx(sent.requests) and guess.cost == pytest.approx((sent.input_tokens + sent.output_tokens)/1e6)
    silent = serve(fault=lambda k: lambda a: {k: v for k, v in a.items() if k != "usage"})
    unknown = estimate(load(silent), data[1:3], probes=2, price=(1., 1.), **ask)
    assert unknown.cost is None and "unknown tokens sent" in repr(unknown)


def test_an_interrupt_ends_it_at_once(serve, case):
    before = signal.signal(signal.SIGINT, signal.default_int_handler) # a process in the background may ignore it
    try: interrupted(serve, case)
    finally: signal.signal(signal.SIGINT, before)


def interrupted(serve, case):
    image, parts, _, word = case
    server = serve()
    m = load(server, concurrency=2)
    t = make_target(m, m.answer(image, PROMPT), word)
    server.fault = lambda k: 2.
    scorer, main = make_scorer(m, image, PROMPT, t, parts), threading.main_thread().ident
    threading.Timer(.5, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt): scorer(keeps(30))
    assert time.monotonic() - start < 1.8
    server.fault = lambda k: None
    assert scorer(keeps(4)).isfinite().all()


# --- runs, methods, corrections, the command line

def test_a_run_stops_where_the_server_is_gone_and_goes_on(serve, local, tmp_path, case):
    data = [eagle_nb.Sample(f"s{k}", eagle_nb.scenes.sample(k).image, target=0) for k in range(4)]
    ask = dict(regions=4, budget=10, show_progress=False)
    server = serve()
    m = load(server, retries=1)
    start = server.requests
    def gone(k):
        if k - start > 30: server.names = False # nothing is answered any more
        return (503, {}) if k - start > 30 else None
    server.fault = gone
    m.connection.is_up = lambda: False
    with pytest.raises(OSError, match="The same call goes on from here"): eagle_nb.run(m, data, tmp_path/"run", **ask)
    done = [json.loads(line) for line in (tmp_path/"run"/"run.jsonl").read_text().splitlines()[1:]]
    assert 0 < len(done) < 4 and not any("error" in line for line in done)
    assert all(line["requests"] >= line["forwards"] for line in done)
    server.fault, before = lambda k: None, server.requests
    found = eagle_nb.run(m, data, tmp_path/"run", **ask)
    assert len(found) == 4 and server.requests - before < 30*(4 - len(done))
    with pytest.raises(ValueError, match="another|other"): eagle_nb.run(load(serve(), way="top_logprobs"), data, tmp_path/"run", **ask)


def test_methods_and_corrections_that_need_no_weights(serve, local, case):
    image, parts, _, word = case
    m = load(serve())
    frame = eagle_nb.evaluate(m, [eagle_nb.Sample("a", image, target=word)], ["occlusion", "random", "EAGLE"], ["insertion", "deletion"],
                              regions=parts, show_progress=False).frame
    here = eagle_nb.evaluate(local["scenes-llava"], [eagle_nb.Sample("a", image, target=word)], ["occlusion", "random", "EAGLE"],
                             ["insertion", "deletion"], regions=parts, mode="pixels", show_progress=False).frame
    columns = ["insertion", "deletion"]
    rows = frame.method.isin(["occlusion", "random"]) if "method" in frame else slice(None)
    assert np.allclose(frame[rows][columns].to_numpy(float), here[rows][columns].to_numpy(float), atol=.02)
    c = eagle_nb.correct(m, image, PROMPT, "zebra", target=word, regions=parts, budget=24, show_progress=False)
    assert len(c.answers) == len(parts) + 1


def test_a_key_is_in_no_record(serve, monkeypatch, tmp_path, case):
    image, parts, _, word = case
    monkeypatch.setenv("MY_KEY", "sk-secret-123")
    server = serve(key="sk-secret-123")
    with pytest.raises(ValueError, match="key_env"): load(server)
    m = load(server, key_env="MY_KEY")
    e = eagle_nb.explain(m, image, PROMPT, target=word, regions=parts, budget=24, show_progress=False)
    eagle_nb.run(m, [image], tmp_path/"run", regions=4, budget=8, show_progress=False)
    e.to_html(tmp_path/"page.html")
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()) + e.to_bytes() + repr((e.settings, m, vars(m))).encode()
    assert b"secret" not in everything


def test_the_command_line(serve, tmp_path, capsys, case):
    from eagle_nb.apps.cli import main
    image, _, _, word = case
    from PIL import Image
    for k in range(4): Image.fromarray(np.roll(image, 40*k, 1)).save(tmp_path/f"{k}.png")
    server = serve()
    of_server = ["--model", server.url, "--tokenizer", "scenes-llava"]
    main(["doctor", server.url, "--tokenizer", "scenes-llava"])
    assert "prompt_logprobs  exact" in capsys.readouterr().out
    main(["explain", str(tmp_path/"0.png"), PROMPT, "--target", word, "--regions", "6", "--budget", "12", *of_server, "--out", str(tmp_path/"page.html")])
    assert "target" in capsys.readouterr().out and (tmp_path/"page.html").stat().st_size > 1000
    run = ["run", *(str(tmp_path/f"{k}.png") for k in range(4)), "--out", str(tmp_path/"run"), "--regions", "4", "--budget", "8", *of_server]
    main([*run, "--estimate", "2", "--price", "2.5", "10"])
    said = capsys.readouterr().out
    assert "4 samples, estimated from 2" in said and "to pay" in said and "requests" in said
    before = server.requests
    main(run)
    assert "4 explanations" in capsys.readouterr().out and server.requests > before
    with pytest.raises(SystemExit, match="for a model behind a server"): main(["doctor", "scenes-llava", "--way", "sampling"])


def test_the_explorer_explores_it(serve, local, case):
    from eagle_nb import Explorer
    image, _, _, word = case
    server = serve()
    x = Explorer(load(server), regions="grid 9", budget=36)
    try:
        x.set_image(image)
        x.ask(PROMPT)
        x.wait(60)
        x.select(word)
        x.wait(60)
        e = x.case.found[x.columns]
        here = eagle_nb.explain(local["scenes-llava"], image, PROMPT, e.answer, e.target.positions, regions=e.regions, mode="pixels", budget=36, show_progress=False)
        assert e.target.text == word and np.abs(e.insertion[[0, -1]] - here.insertion[[0, -1]]).max() < 1e-5
        assert e.settings["backend"] == "vllm 0.0-test"
        asked = server.requests
        x.select(0)
        x.wait(60)
        assert server.requests - asked < 40, "what was scored for one word counts for the next"
    finally: x.close()
