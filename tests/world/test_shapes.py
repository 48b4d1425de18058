"Tiny models of every family: through a folder and the Auto classes, grouped windows, published sizes, several ways to be loaded."
import numpy as np
import pytest
import torch
from conftest import PROMPT

from eagle_nb import scenes
from eagle_nb.core import checkpoints, models
from eagle_nb.world import shapes


def made(family, seed=0):
    try: return shapes.tiny(family, seed)
    except ImportError as e: pytest.skip(str(e))


def image(size=(300, 200)): return np.asarray(scenes.sample(2).image.resize(size))


def logits(model, picture=None):
    with torch.no_grad(): return model.model(**model.encode(image() if picture is None else picture, PROMPT)).logits


@pytest.mark.parametrize("family", shapes.TINY)
def test_through_a_folder_and_the_auto_classes(family, tmp_path):
    m = checkpoints.load_checkpoint(made(family))
    again = checkpoints.load_checkpoint(shapes.save(m.model, m.processor, tmp_path/family), dtype="float32", device="cpu")
    assert type(again.model) is type(m.model) and type(again.processor) is type(m.processor)
    for size in ((300, 200), (97, 160), (224, 224)):
        a, b = m.encode(image(size), PROMPT), again.encode(image(size), PROMPT)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert torch.equal(logits(m), logits(again))
    said = again.answer(image(), PROMPT, max_new_tokens=4)
    assert said.ids == m.answer(image(), PROMPT, max_new_tokens=4).ids
    assert (logits(m) - logits(m, np.zeros_like(image()))).abs().max() > .1, "or equality says nothing"


@pytest.mark.parametrize("family", shapes.TINY)
def test_the_seed_decides_the_weights(family):
    before = torch.random.get_rng_state()
    a, b, c = (made(family, s)[0].state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a[k], b[k]) for k in a) and not all(torch.equal(a[k], c[k]) for k in a)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_grouped_windows_are_the_windows(family, monkeypatch):
    "The same features with far fewer calls of attention, for pictures whose windows are not all of one size."
    net, processor = made(family)
    m = checkpoints.load_checkpoint((net, processor))
    calls, plain = [], torch.nn.functional.scaled_dot_product_attention
    def count(*a, **k):
        calls.append(1)
        return plain(*a, **k)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", count)
    for size in ((300, 200), (97, 160), (224, 224)):
        found, n = [], []
        for on in (True, False):
            assert models.group_windows(net, on)
            calls.clear()
            found.append(logits(m, image(size))); n.append(len(calls))
        models.group_windows(net)
        assert (found[0] - found[1]).abs().max() < 2e-4
        if family == "qwen2_5_vl": assert n[0] < n[1], n
    assert not models.group_windows(made("llava")[0])


SIZES = {"llava-1.5-7b": 7.06e9, "qwen2.5-vl-3b": 3.75e9, "qwen2.5-vl-7b": 8.29e9, "internvl3.5-4b": 4.73e9}  # as published


@pytest.mark.parametrize("name", SIZES)
def test_published_sizes(name):
    net, _ = shapes.real(name, device="meta", dtype="bfloat16")
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(SIZES[name], rel=.005)
    text = net.config.get_text_config()
    short, processor = shapes.real(name, layers=1, vision_layers=1, device="meta")
    assert len(short.get_decoder().layers) == 1 and len(net.get_decoder().layers) == text.num_hidden_layers
    assert short.get_input_embeddings().weight.shape == (text.vocab_size, text.hidden_size) and len(processor.tokenizer) < text.vocab_size


def test_a_short_real_shape_computes():
    net, processor = shapes.real("internvl3.5-4b", layers=1, vision_layers=1, dtype="bfloat16")
    m = models.Model(net, processor, "internvl3.5-4b")
    x = m.encode(image((640, 480)), PROMPT)
    assert x["pixel_values"].shape == (1, 3, 448, 448) and int((x["input_ids"] == net.config.image_token_id).sum()) == 256
    with torch.no_grad(): assert torch.isfinite(net(**x, logits_to_keep=1).logits).all()


@pytest.mark.parametrize("call,says", [(lambda: shapes.tiny("lava"), "unknown family 'lava': choose one of llava"), (lambda: shapes.real("llava"), "unknown shape 'llava': choose one of llava-1.5-7b"),
                                       (lambda: shapes.real("llava-1.5-7b", layers=0), "layers must be at least 1, got 0"), (lambda: shapes.real("internvl3.5-4b", tiles=-1), "tiles must be at least 1, got -1")])
def test_shapes_that_are_none(call, says):
    with pytest.raises(ValueError, match=says): call()


# ---- how a checkpoint is given

def test_a_processor_of_another_family():
    net, _ = made("llava")
    _, other = made("qwen2_5_vl")
    with pytest.raises(ValueError, match=r"Qwen2_5_VLProcessor does not fit .*a picture is token \d+ for the processor and 3 for the model.*belongs to the model"): checkpoints.load_checkpoint((net, other))


def test_a_tokenizer_with_more_words_than_the_model():
    net, processor = made("llava")
    net.resize_token_embeddings(50)
    with pytest.raises(ValueError, match=r"its tokenizer has \d+ tokens, the model knows 50"): checkpoints.load_checkpoint((net, processor))


def test_a_picture_that_the_processor_rejects(monkeypatch):
    m = checkpoints.load_checkpoint(made("qwen2_5_vl"))
    with pytest.raises(ValueError, match=r"rejects this picture.*900 x 2.*absolute aspect ratio.*Resize, crop or pad"): m.encode(np.zeros((2, 900, 3), np.uint8), PROMPT)


def test_an_own_chat_template():
    net, processor = made("llava")
    own = "<s>{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}Q: {{ c['text'] }}{% endif %}{% endfor %}{% endfor %} A:"
    assert checkpoints.load_checkpoint((net, processor), chat_template=own).chat("Where?") == "<s><image>Q: Where? A:"
    assert checkpoints.load_checkpoint((net, processor), system="Be brief.").chat("Where?") == "<s>[system] Be brief. [user] <image>\nWhere? [assistant] "
    with pytest.raises(ValueError, match="chat template of .* cannot write this prompt.*chat_template="): checkpoints.load_checkpoint((net, processor), chat_template="{{ raise_exception('no') }}").chat("Where?")


@pytest.mark.parametrize("prompt,says", [([], "a list of turns"), ([{"role": "user"}], "a list of turns"), (5, "a list of turns"), ([{"role": "user", "content": "no picture"}], "got 0 of 0 pictures"),
                                         ([{"role": "user", "content": [{"type": "image"}, {"type": "image"}]}], "got 2 of 2 pictures"), ([{"role": "user", "content": [{"type": "video"}]}], "a part of a turn is")])
def test_conversations_that_are_none(model, prompt, says):
    with pytest.raises(ValueError, match=says): model.encode(image(), prompt)


def test_a_model_over_a_device_map(tmp_path):
    pytest.importorskip("accelerate", reason="device_map needs the package accelerate")
    path = shapes.save(*made("qwen2_5_vl"), tmp_path)
    m = checkpoints.load_checkpoint(path, dtype="float32", device_map={"": "cpu"})
    assert torch.equal(logits(m), logits(checkpoints.load_checkpoint(path, dtype="float32", device="cpu")))
    with pytest.raises(ValueError, match="device and device_map both"): checkpoints.load_checkpoint(path, device="cpu", device_map="auto")


def test_a_quantised_model_as_a_pair():
    "8-bit linear layers of torch: what is explained is the quantised model."
    import warnings
    from eagle_nb.core.selftest import self_test
    if not torch.backends.quantized.supported_engines or torch.backends.quantized.supported_engines == ["none"]: pytest.skip("this build of torch has no engine for 8-bit layers")
    net, processor = made("llava")
    whole = checkpoints.load_checkpoint((net, processor))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear}, dtype=torch.qint8)
    m = checkpoints.load_checkpoint((small, processor))
    r = self_test(m)
    assert r.positions and r.image > 1e-3 and not [p for p in r.problems if "do not trust" in p], str(r)
    assert not torch.equal(logits(m), logits(whole))


# ---- the hub

class Hub:
    "A hub that answers as it is told."
    def __init__(self, monkeypatch, error):
        import huggingface_hub
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a, **k: None)
        def model_info(*a, **k): raise error
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)


def hub_error(name):
    "An error of the hub's library, which wants the response that it came with."
    import httpx
    from huggingface_hub import errors
    return getattr(errors, name)("no", response=httpx.Response(404, request=httpx.Request("GET", "https://example.org")))


@pytest.mark.parametrize("error,says", [("RepositoryNotFoundError", "the hub has no model 'some/model', or you have no access"), ("GatedRepoError", "ask for access and log in"),
                                        ("RevisionNotFoundError", "has no revision 'v9': give a branch, a tag or a commit"), (ConnectionError("down"), "cannot reach the hub for 'some/model' at revision 'v9'.*check the network")])
def test_what_the_hub_says(monkeypatch, error, says):
    Hub(monkeypatch, hub_error(error) if isinstance(error, str) else error)
    with pytest.raises(FileNotFoundError, match=says): checkpoints.load_checkpoint("some/model", revision="v9")


def test_a_dtype_that_the_device_lacks(monkeypatch):
    plain = torch.nn.functional.linear
    def linear(x, *a, **k):
        if x.dtype == torch.float16: raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")
        return plain(x, *a, **k)
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    with pytest.raises(ValueError, match="device 'cpu' does not compute with float16: choose float32"): checkpoints.load_checkpoint("scenes-llava", dtype="float16", device="cpu")
