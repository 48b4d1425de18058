"""vLLM itself, started for the test, gives the numbers of transformers: `make test STEP=vllm`.

`EAGLE_NB_SCENES` sets how many scenes are compared (4; 30 took 7 minutes per model on two cores)."""
import json
import os
import subprocess

import numpy as np
import pytest
import torch
import vllm_help
from conftest import PROMPT, read, same_rank

import eagle_nb
from eagle_nb import DATA, scenes
from eagle_nb.core.regions import segment
from eagle_nb.core.servers import make_scorer
from eagle_nb.core.targets import make_target

pytestmark = pytest.mark.skipif(not vllm_help.PYTHON, reason="needs the environment that make test STEP=vllm makes")
N = int(os.environ.get("EAGLE_NB_SCENES", 4))


@pytest.fixture(scope="module", params=["scenes-llava", "scenes-qwen", "scenes-internvl"])
def both(request, tmp_path_factory):
    "A model here, and its server."
    name, folder = request.param, tmp_path_factory.mktemp("vllm")
    with vllm_help.Server(name, vllm_help.as_published(DATA/name, folder/name), folder/"log") as server:
        yield eagle_nb.load(name, dtype="float32", device="cpu"), server.url


def cases(local):
    for seed in range(N):
        s = scenes.sample(seed, split="test")
        image = read(s.image)
        yield seed, s, image, segment(image, 16), local.answer(image, PROMPT)


def test_the_numbers_of_transformers(both, record_property):
    local, url = both
    m = eagle_nb.load(url)
    assert m.report.ok and m.report.exact and m.way == "prompt_logprobs"
    largest, ranks, same = 0., [], []
    for seed, s, image, parts, answer in cases(local):
        assert m.answer(image, PROMPT).ids == answer.ids
        keep = torch.rand(48, len(parts), generator=torch.manual_seed(seed)) > .5
        for target in (None, s.names[0]):
            p = make_scorer(local, image, PROMPT, make_target(local, answer, target), parts, mode="pixels")(keep)
            q = make_scorer(m, image, PROMPT, make_target(m, answer, target), parts)(keep)
            largest = max(largest, float((p - q).abs().max()))
            ranks.append(same_rank(p.mean(1), q.mean(1)))
        ask = dict(image=image, prompt=PROMPT, answer=answer, regions=parts, budget=128, show_progress=False)
        a, b = eagle_nb.explain(local, mode="pixels", **ask), eagle_nb.explain(m, **ask)
        same.append((a.order[0] == b.order[0], set(a.order[:3]) == set(b.order[:3]), bool((a.order == b.order).all())))
    first, three, whole = np.mean(same, 0)
    print(f"{m.name}: {N} scenes, largest |dp| {largest:.1e}, least rank correlation {min(ranks):.5f}, same first region {first:.0%}, "
          f"same three {three:.0%}, same order {whole:.0%}")
    assert largest < 1e-4 and min(ranks) > .999 and first == three == 1


def test_the_likeliest_tokens_and_samples_bound_them(both):
    local, url = both
    _, s, image, parts, answer = next(cases(local))
    keep = torch.rand(12, len(parts), generator=torch.manual_seed(0)) > .5
    for way, more, share in (("top_logprobs", dict(top=5), 1.), ("sampling", dict(samples=60), .8)):
        m = eagle_nb.load(url, way=way, check=False, **more)
        t = make_target(m, answer, s.names[0])
        truth = make_scorer(local, image, PROMPT, t, parts, mode="pixels")(keep)
        low, high = make_scorer(m, image, PROMPT, t, parts).bounds(keep)
        inside = ((low - 1e-4 <= truth) & (truth <= high + 1e-4)).float().mean()
        print(f"{m.name} by {way}: {inside:.0%} within the bounds, mean half width {float((high - low).mean()/2):.3f}")
        assert inside >= share


def test_an_estimate_is_right_to_five_percent(both, tmp_path):
    local, url = both
    from eagle_nb.runs.estimates import estimate
    m = eagle_nb.load(url)
    data = [eagle_nb.Sample(f"scene {k}", scenes.sample(k, split="test").image) for k in range(8)]
    ask = dict(regions=16, budget=96, seed=0)
    guess = estimate(m, data, probes=3, price=(2.5, 10), **ask)
    before = m.connection.traffic.copy()
    found = eagle_nb.run(m, data, show_progress=False, **ask)
    sent = m.connection.traffic.since(before)
    paid = (2.5*sent.input_tokens + 10*sent.output_tokens)/1e6
    off = guess.frame["total"]["requests"]/sent.requests - 1, guess.cost/paid - 1
    print(f"{m.name}: requests {off[0]:+.1%}, cost {off[1]:+.1%}")
    assert len(found) == 8 and max(map(abs, off)) < .05


IN_PROCESS = '''
import json, sys
import torch
from vllm import LLM
import eagle_nb
from eagle_nb.core.regions import grid
from eagle_nb.core.servers import make_scorer
from eagle_nb.core.targets import make_target
from eagle_nb.world import scenes
if __name__ == "__main__":
    m = eagle_nb.load(LLM(sys.argv[1], dtype="float32", max_model_len=512, enforce_eager=True))
    image = __import__("numpy").asarray(scenes.sample(0, split="test").image)
    answer = m.answer(image)
    keep = torch.rand(24, 16, generator=torch.manual_seed(0)) > .5
    p = make_scorer(m, image, "Describe the image.", make_target(m, answer), grid(image, 4, 4))(keep)
    print("FOUND", json.dumps(dict(ids=answer.ids, p=p.tolist(), way=m.way, ok=m.report.ok)))
'''


@pytest.mark.parametrize("name", ["scenes-llava", "scenes-qwen", "scenes-internvl"])
def test_the_engine_in_its_own_process(name, tmp_path):
    from eagle_nb.core.regions import grid
    (tmp_path/"ask.py").write_text(IN_PROCESS)
    folder = vllm_help.as_published(DATA/name, tmp_path/name)
    package = os.path.dirname(os.path.dirname(eagle_nb.__file__))
    r = subprocess.run([vllm_help.PYTHON, str(tmp_path/"ask.py"), str(folder)], capture_output=True, text=True, timeout=500,
                       env={**vllm_help.environment(), "PYTHONPATH": package})
    line = next((line for line in r.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line, r.stdout[-2000:] + r.stderr[-3000:]
    found = json.loads(line.removeprefix("FOUND "))
    local = eagle_nb.load(name, dtype="float32", device="cpu")
    image = read(scenes.sample(0, split="test").image)
    answer = local.answer(image, PROMPT)
    keep = torch.rand(24, 16, generator=torch.manual_seed(0)) > .5
    p = make_scorer(local, image, PROMPT, make_target(local, answer), grid(image, 4, 4), mode="pixels")(keep)
    gap = float((p - torch.tensor(found["p"])).abs().max())
    print(f"{name} in process: largest |dp| {gap:.1e}")
    assert found["ids"] == answer.ids and found["way"] == "prompt_logprobs" and found["ok"] and gap < 1e-4
