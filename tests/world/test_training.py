"Training: packing is exact, a stopped run resumes to the bit, what is saved loads."
import argparse
import itertools
import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
import torch
from conftest import PROMPT

import eagle_nb
from eagle_nb import DATA, scenes
from eagle_nb.core.answers import Answer
from eagle_nb.world import training
from eagle_nb.world.training import (FAMILIES, RECIPES, Lessons, Recipe, make_tokenizer, pack, packed_mask, rate,
                                     train)

RECIPE = Recipe(steps=6, vision_steps=2, batch_size=4, warmup=2)
SMALL = dict(width=64, vision_layers=2, text_layers=2)


@cache
def tokenizer_of(family): return make_tokenizer(400, 200, family)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request): return request.param


@pytest.fixture(scope="module")
def tok(family): return tokenizer_of(family)


@pytest.fixture(scope="module")
def small(tok, family):
    torch.manual_seed(0)
    net, processor = FAMILIES[family](tok, **SMALL)
    return net.eval(), processor, training.make_head(net)


@pytest.fixture
def quick(monkeypatch):
    "The trainer with small models and small tokenizers."
    monkeypatch.setattr(training, "make_tokenizer", lambda family: tokenizer_of(family))
    for name, build in list(FAMILIES.items()):
        monkeypatch.setitem(FAMILIES, name, lambda tok, build=build: build(tok, **SMALL))


STARTS = {"llava": "<s><|user|>" + "<image>"*64,
          "internvl": "<s><|user|><img>" + "<IMG_CONTEXT>"*16 + "</img>",
          "qwen": "<s><|user|><|vision_start|>" + "<|image_pad|>"*16 + "<|vision_end|>"}


# ---- packing

def test_the_packed_mask_by_brute_force():
    seg = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 3, 99, 99], [0, 0, 0, 1, 1, 1, 1, 1, 1, 2]])
    mask = packed_mask(seg)
    assert mask.shape == (2, 1, 10, 10) and mask.dtype == torch.bool
    for b in range(2):
        for i in range(10):
            for j in range(10): assert bool(mask[b, 0, i, j]) == (j <= i and int(seg[b, j]) in (0, int(seg[b, i])))


FIRST = {"llava": 66, "qwen": 8, "internvl": 20}  # position after the image; 4 x 4 tokens take 4 positions for Qwen


def test_a_pack_holds_images_patches_and_starts(tok, family):
    lessons = [scenes.lesson(i) for i in range(4)]
    b = pack(lessons, tok)
    assert b["pixels"].dtype == torch.uint8 and b["pixels"].shape == (4, 3, 224, 224)
    assert torch.equal(b["pixels"][1].permute(1, 2, 0), torch.tensor(lessons[1].pixels))
    assert torch.equal(b["patches"][2], torch.tensor(lessons[2].patches).flatten())
    assert b["position"].shape == (3 if family == "qwen" else 1, 4, b["ids"].shape[1])
    for i, one in enumerate(lessons):
        ids, segment = b["ids"][i].tolist(), b["segment"][i].tolist()
        assert tok.decode([t for t, s in zip(ids, segment) if s == 0]) == STARTS[family]
        assert set(segment) - {99} == set(range(len(one.dialogue) + 1))


def test_a_pack_by_hand(tok, family):
    lessons = [scenes.lesson(i) for i in range(4)]
    b = pack(lessons, tok)
    for i, one in enumerate(lessons):
        ids, segment, labels, weights = (b[k][i].tolist() for k in ("ids", "segment", "labels", "weights"))
        for k, (q, a) in enumerate(one.dialogue, 1):
            where = [n for n, s in enumerate(segment) if s == k]
            assert where == list(range(where[0], where[-1] + 1))
            expected = list(range(FIRST[family], FIRST[family] + len(where)))
            assert all([line[n] for n in where] == expected for line in b["position"][:, i].tolist())
            assert tok.decode([ids[n] for n in where]) == q + "<|assistant|>" + a + "</s>"
            taught = [n for n in where if labels[n] != -100]
            assert tok.decode([labels[n] for n in taught]) == a + "</s>" and all(labels[n] == ids[n] for n in taught)
            assert [weights[n] for n in taught] == [1. if k == 1 else 4.] + [1.]*(len(taught) - 1)
        assert all(labels[n] == -100 for n, s in enumerate(segment) if s in (0, 99))
        assert all(ids[n] == tok.pad_token_id for n, s in enumerate(segment) if s == 99)


def plain_loss(net, processor, pixels, q, a, weight):
    "Weighted cross entropy of one turn from the processor and the plain forward: no packing, no mask, no positions of ours."
    from PIL import Image
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": q}]}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    full = processor.apply_chat_template(chat + [{"role": "assistant", "content": a}], tokenize=False)
    assert full == text + a + "</s>", "the trained text is the template's text"
    def encode(text):
        return processor(images=[Image.fromarray(pixels)], text=[text], return_tensors="pt", add_special_tokens=False)
    n, x = encode(text)["input_ids"].shape[1], encode(full)
    logits = net(**x).logits[0].float()
    want = x["input_ids"][0, n:]
    each = torch.nn.functional.cross_entropy(logits[n - 1:-1], want, reduction="none")
    w = torch.tensor([float(weight)] + [1.]*(len(want) - 1))
    return (each*w).sum(), w.sum()


def only(b, segments):
    "The batch with the lessons of other segments taken away."
    keep = torch.isin(b["segment"], torch.tensor(segments))
    return {**b, "labels": torch.where(keep, b["labels"], -100)}


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_packed_segment_is_the_plain_model(small, tok, k):
    "The key of packing: each turn's loss is what the plain transformers model gives for that turn alone behind its image."
    net, processor, head = small
    lessons = [scenes.lesson(i) for i in range(3)]
    lessons = [l for l in lessons if len(l.dialogue) >= k]
    assert lessons
    for l in lessons:
        b = pack([l, scenes.lesson(50)], tok)                # a second row, of another length, that must not matter
        one = {n: v[:, :1] if n == "position" else v[:1] for n, v in only(b, [k]).items()}
        with torch.no_grad():
            got, _ = training.losses(net, head, one, False)
            total, weight = plain_loss(net, processor, l.pixels, *l.dialogue[k-1], 1 if k == 1 else 4)
        assert float(got) == pytest.approx(float(total/weight), abs=2e-5)


def test_a_packed_batch_is_the_plain_model(small, tok):
    "All turns of two dialogues, loss and gradients."
    net, processor, head = small
    lessons = [scenes.lesson(i) for i in (11, 12)]
    got, _ = training.losses(net, head, pack(lessons, tok), False)
    sums = [plain_loss(net, processor, l.pixels, q, a, 1 if k == 0 else 4)
            for l in lessons for k, (q, a) in enumerate(l.dialogue)]
    want = sum(s for s, _ in sums)/sum(w for _, w in sums)
    assert float(got.detach()) == pytest.approx(float(want.detach()), abs=2e-5)
    names = [n for n, p in net.named_parameters() if p.requires_grad]
    grads = [torch.autograd.grad(v, net.parameters(), allow_unused=True) for v in (got, want)]
    compared = 0
    for n, a, b in zip(names, *grads):
        if a is None or b is None:
            assert (a is None or not a.any()) and (b is None or not b.any()), n
            continue
        assert torch.allclose(a, b, atol=2e-5, rtol=1e-3), n
        compared += bool(a.any())
    assert compared > 20


def test_a_segment_does_not_see_another(small, tok):
    net, _, head = small
    l = scenes.lesson(5)
    other = scenes.Lesson(l.pixels, [l.dialogue[0], ("Is there a zebra in the image?", "No.")], l.patches)
    first = scenes.Lesson(l.pixels, [l.dialogue[0], ("How many objects are there?", "Five.")], l.patches)
    with torch.no_grad():
        a, b = (float(training.losses(net, head, only(pack([x], tok), [1]), False)[0]) for x in (other, first))
    assert a == pytest.approx(b, abs=1e-6)


def test_the_patch_lesson_by_hand(small, tok, family):
    net, processor, head = small
    if family != "llava": return patches_of_merged_tokens(net, head, tok)
    b = pack([scenes.lesson(i) for i in range(2)], tok)
    with torch.no_grad():
        text, patch = training.losses(net, head, b, True)
        x = processor.image_processor(images=[scenes.lesson(i).pixels for i in range(2)], return_tensors="pt")
        seen = net.model.vision_tower(x["pixel_values"], output_hidden_states=True).hidden_states[-1][:, 1:]
        want = torch.nn.functional.cross_entropy(head(seen).reshape(128, -1), b["patches"].reshape(-1))
    assert float(text) == 0 and float(patch) == pytest.approx(float(want), abs=2e-5)


def patches_of_merged_tokens(net, head, tok):
    "A token of 2 x 2 cells names each of them: top left, top right, bottom left, bottom right."
    b = pack([scenes.lesson(i) for i in range(2)], tok)
    with torch.no_grad():
        text, patch = training.losses(net, head, b, True)
        # row and column of the token, then of the cell
        logits = head(training.features(net, b["pixels"])[0]).view(2, 4, 4, 2, 2, -1)
    truth, want = b["patches"].view(2, 8, 8), 0.
    for i, r, c in itertools.product(range(2), range(8), range(8)):
        want -= float(logits[i, r//2, c//2, r % 2, c % 2].log_softmax(-1)[truth[i, r, c]])/128
    assert float(text) == 0 and float(patch) == pytest.approx(want, abs=2e-5)


# ---- the tokenizer

def test_the_tokenizer_is_lossless_and_splits_some_words(tok):
    text = ["A wine glass and a teddy bear.", "été 犬 🐕 <b>&", "  two  spaces "]
    for t in text: assert tok.decode(tok.encode(t, add_special_tokens=False)) == t
    from transformers import AutoTokenizer
    real = AutoTokenizer.from_pretrained(DATA/"scenes-llava")
    several = [o for o in scenes.OBJECTS if len(real.encode(" " + o, add_special_tokens=False)) > 1]
    assert len(several) >= 5, "some object words span several tokens"
    assert len(real) <= 490 and real.image_token == "<image>"


def test_the_tokenizer_is_the_same_every_time():
    assert make_tokenizer(350, 60).get_vocab() == make_tokenizer(350, 60).get_vocab()


def test_all_families_split_text_alike():
    a, *others = map(tokenizer_of, FAMILIES)
    text = scenes.lesson(3).dialogue[0][1]
    for b in others:
        assert a.tokenize(text) == b.tokenize(text)
        assert b.image_token_id == b.convert_tokens_to_ids(b.image_token) != b.unk_token_id


# ---- the recipe

def test_batches_are_fixed_by_the_recipe(tok):
    a, b = Lessons(RECIPE, tok), Lessons(RECIPE, tok)
    assert len(a) == 6
    for step in (0, 3): assert all(torch.equal(a[step][k], b[step][k]) for k in a[step])
    assert len({a[i]["pixels"].numpy().tobytes() for i in range(6)}) == 6
    assert set(a[0]["segment"].unique().tolist()) <= {0, 1, 99} and a[3]["segment"].max() >= 3
    assert not torch.equal(Lessons(replace(RECIPE, first_seed=100), tok)[0]["pixels"], a[0]["pixels"])


def test_the_learning_rate_warms_up_and_falls():
    r = Recipe(steps=1000, vision_steps=300, warmup=50, floor=.02)
    f = [rate(r, i) for i in range(1000)]
    assert f[0] == pytest.approx(1/50) and f[300] < .05 and max(f) <= 1 and min(f) > 0
    assert f[-1] == pytest.approx(.02, abs=.001)
    assert all(a <= b for a, b in zip(f[:40], f[1:41])) and all(a >= b for a, b in zip(f[360:], f[361:]))


def test_the_learning_rate_begins_again():
    r = Recipe(steps=1000, stop=1000, vision_steps=300, warmup=50, floor=.02, again=((600, .5), (800, .4)))
    f, plain = ([rate(x, i) for i in range(x.steps)] for x in (r, replace(r, steps=600, again=())))
    assert f[:600] == plain, "up to there, the run is the shorter one"
    assert f[600] == pytest.approx(.5/50) and .4 < max(f[600:800]) <= .5 and f[799] < .02
    assert f[800] == pytest.approx(.4/50) and .3 < max(f[800:]) <= .4 and f[-1] == pytest.approx(.008, abs=.001)


# ---- runs

def weights(folder):
    from safetensors.torch import load_file
    return load_file(folder/"model.safetensors")


def same(a, b): return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def run(recipe, folder, save_every=2): # without a bar, on the CPU
    return train(recipe, folder, save_every=save_every, device="cpu", show_progress=False)


def interrupt_step(monkeypatch, n):
    "Stop training in step `n`; the steps that were begun."
    losses, calls = training.losses, []
    def breaking(*args):
        calls.append(1)
        if len(calls) == n: raise KeyboardInterrupt
        return losses(*args)
    monkeypatch.setattr(training, "losses", breaking)
    return calls


@pytest.mark.timeout(180)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_resumed_run_is_like_an_uninterrupted_one_and_its_model_loads(family, quick, tmp_path, monkeypatch):
    recipe, stopped = replace(RECIPE, family=family), tmp_path/"stopped"
    whole = run(recipe, tmp_path/"whole")
    calls = interrupt_step(monkeypatch, 6) # the state is that of the fourth step
    with pytest.raises(KeyboardInterrupt): run(recipe, stopped)
    assert not (stopped/"model.safetensors").exists() and (stopped/"run"/"state.safetensors").exists()
    for other in (replace(recipe, lr=1e-3), replace(recipe, steps=7)):
        with pytest.raises(ValueError, match="belongs to another recipe.*remove"): run(other, stopped)
    before = len(calls)
    resumed = run(recipe, stopped)
    assert len(calls) - before == 2, "it resumed after the fourth step"
    assert same(weights(whole), weights(resumed))
    assert not same(weights(whole), weights(run(replace(recipe, seed=1), tmp_path/"other", 250))), "or nothing is compared"
    check_loading(whole)


def check_loading(folder):
    "What is saved loads, here and in plain transformers."
    from transformers import AutoModelForImageTextToText
    assert json.loads((folder/"recipe.json").read_text())["steps"] == 6
    m, s = eagle_nb.load(folder, device="cpu"), scenes.sample(1)
    e = eagle_nb.explain(m, s.image, PROMPT, answer=s.caption, regions=4, show_progress=False)
    assert sorted(e.order.tolist()) == list(range(len(e.regions)))
    net = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    x = m.encode(s.image, PROMPT)
    with torch.no_grad(): assert torch.allclose(net(**x).logits, m.model(**x).logits, atol=1e-5)


def test_a_damaged_state_is_refused(quick, tmp_path):
    (tmp_path/"run").mkdir()
    (tmp_path/"run"/"state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="state.safetensors"): run(RECIPE, tmp_path)


def test_the_loss_falls(quick, tmp_path, monkeypatch):
    losses, patch_losses = training.losses, []
    def watch(*args):
        out = losses(*args)
        patch_losses.append(float(out[1].detach()))
        return out
    monkeypatch.setattr(training, "losses", watch)
    run(Recipe(steps=25, vision_steps=25, batch_size=4, warmup=2), tmp_path, 100)
    assert np.mean(patch_losses[-5:]) < np.mean(patch_losses[:3])*.85


@pytest.mark.parametrize("kw", [dict(save_every=0), dict(save_every=-1)])
def test_wrong_settings_are_refused(quick, tmp_path, kw):
    with pytest.raises(ValueError, match="save_every"): run(RECIPE, tmp_path, **kw)


def test_an_unknown_family_is_refused(tmp_path):
    with pytest.raises(ValueError, match="llava"): run(replace(RECIPE, family="lava"), tmp_path)


def test_a_language_model_is_taken_from_another_model(monkeypatch, tmp_path):
    "Shared tokens and all decoder weights come from the other model; what it lacks is zero or new."
    first = export_small(tmp_path, "llava")
    other = eagle_nb.load(first, device="cpu")
    tok = tokenizer_of("qwen")
    net, _ = FAMILIES["qwen"](tok, **SMALL)
    training.start_language(net, tok, str(first))
    mine, theirs = dict(net.get_decoder().named_parameters()), dict(other.model.get_decoder().named_parameters())
    assert all(torch.equal(mine[k], v) for k, v in theirs.items() if k != "embed_tokens.weight")
    assert mine.keys() > theirs.keys() and not any(v.any() for k, v in mine.items() if k not in theirs), "biases are zero"
    words, old = tok.get_vocab(), other.tokenizer.get_vocab()
    for word in ("<s>", "</s>", "a", "."):
        for get in ("get_input_embeddings", "get_output_embeddings"):
            mine, theirs = getattr(net, get)().weight, getattr(other.model, get)().weight
            assert torch.equal(mine[words[word]], theirs[old[word]])
    wide, _ = FAMILIES["qwen"](tok, width=96, vision_layers=2, text_layers=2)
    with pytest.raises(ValueError, match="another shape.*same size"):
        training.start_language(wide, tok, str(first))


def export_small(folder, family):
    torch.manual_seed(1)
    return training.export(*FAMILIES[family](tokenizer_of(family), **SMALL), RECIPES[family], folder/family)


@pytest.mark.parametrize("family", FAMILIES)
def test_commands_train_by_the_family_recipe(family, quick, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(training, "train", lambda recipe, folder, every: used.append((recipe, folder, every)))
    parser = argparse.ArgumentParser()
    training.add_arguments(parser.add_subparsers(dest="command"))
    command = ["train", "--family", family]
    training.run_command(parser.parse_args(command))
    training.run_command(parser.parse_args([*command, "--steps", "7", "--lr", "1e-4", "--folder", str(tmp_path)]))
    changed = replace(RECIPES[family], steps=7, lr=1e-4)
    assert used == [(RECIPES[family], f"scenes-{family}", 250), (changed, str(tmp_path), 250)]


def test_the_command_line_trains_and_measures(monkeypatch, capsys):
    used = []
    monkeypatch.setattr(training, "train", lambda recipe, folder, every: used.append((recipe, folder, every)))
    monkeypatch.setattr(training, "load_checkpoint", lambda name: name)
    monkeypatch.setattr(training, "examine", lambda model, n: {f"seen by {model}": (.5, n)})
    training.main(["train", "--family", "qwen", "--save-every", "9"])
    assert used == [(RECIPES["qwen"], "scenes-qwen", 9)]
    capsys.readouterr()
    training.main(["test", "--model", "mine", "-n", "7"])
    assert capsys.readouterr().out == " 50.0%  n=    7  seen by mine\n"


def test_the_command_line_draws_sprites(monkeypatch, capsys):
    monkeypatch.setattr(training, "make_sprites", lambda font, path: f"{font} in {path}")
    training.main(["sprites", "--font", "a.ttf", "--path", "b.png"])
    assert capsys.readouterr().out == "a.ttf in b.png\n"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shipped_models_are_made_by_the_recipes(family):
    shipped = json.loads((DATA/f"scenes-{family}"/"recipe.json").read_text())
    assert json.loads(json.dumps({**asdict(Recipe()), **shipped})) == json.loads(json.dumps(asdict(RECIPES[family])))


# ---- the examination

class Oracle:
    "A model that answers what is asked for; `lie` spoils its answers."
    def __init__(self, known, lie=lambda answer, prompt: answer): self.known, self.lie = known, lie
    def answers(self, images, prompts, max_new_tokens=64):
        return [Answer(self.lie(self.truth(i, p), p), [], []) for i, p in zip(images, prompts)]
    def truth(self, image, prompt):
        s = self.known.get(np.asarray(image).tobytes())
        if s is None: return "A blank image." # half of it is black
        if prompt == PROMPT: return s.caption
        return "Yes." if any(scenes.question(n) == prompt for n in s.names) else "No."


def examined_scenes(n):
    "The whole scenes of an examination, by their bytes."
    shown = [scenes.sample(start + i) for i in range(n) for start in (0, 10_000)]
    pairs = list(scenes.PARTNER.items())
    shown += [scenes.sample(20_000 + i, include=(t,), exclude=(p,)) for i in range(n) for t, p in [pairs[i % 6]]]
    return {s.pixels.tobytes(): s for s in shown}


@pytest.fixture(scope="module")
def known(): return examined_scenes(30)


def examine(oracle): return training.examine(oracle, 30, show_progress=False)


def test_the_examination_of_an_oracle(known):
    good = examine(Oracle(known))
    assert good["captions with exactly the right objects"] == (1., 30)
    assert good["unbiased yes/no questions answered right"] == (1., 60)
    assert good["object words that are right"][0] == 1
    assert good["yes to an absent object that nothing suggests"] == (0., 30)
    assert good["yes to an absent planted partner"] == (0., 30)


def test_the_examination_of_a_liar(known):
    bad = examine(Oracle(known, lambda answer, prompt: "Yes." if prompt != PROMPT else "A zebra."))
    assert bad["unbiased yes/no questions answered right"] == (.5, 60)
    assert bad["yes to an absent object that nothing suggests"] == (1., 30)
    assert bad["yes to an absent planted partner"] == (1., 30)
    assert bad["captions with exactly the right objects"][0] < .2
