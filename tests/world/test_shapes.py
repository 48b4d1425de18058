"Tiny models of every family, grouped windows, published sizes, and the ways in which a checkpoint is given."
import warnings

import numpy as np
import pytest
import torch
import torchvision_help
from conftest import PROMPT

from eagle_nb import scenes
from eagle_nb.core import checkpoints, models
from eagle_nb.core.selftest import self_test
from eagle_nb.world import shapes

SIZES = ((300, 200), (97, 160), (224, 224))


def made(family, seed=0):
    try: return shapes.tiny(family, seed)
    except ImportError as e: pytest.skip(str(e))


def image(size=(300, 200)): return np.asarray(scenes.sample(2).image.resize(size))


def logits(model, shown=None):
    "All logits for an image, by default a scene."
    x = model.encode(image() if shown is None else shown, PROMPT)
    with torch.no_grad(): return model.model(**x).logits


@pytest.mark.parametrize("family", shapes.TINY)
def test_a_saved_checkpoint_loads_by_the_auto_classes(family, tmp_path):
    if torchvision_help.declared: pytest.skip("AutoProcessor prefers torchvision's image processors, whose pixels differ")
    m = checkpoints.load_checkpoint(made(family))
    folder = shapes.save(m.model, m.processor, tmp_path/family)
    again = checkpoints.load_checkpoint(folder, dtype="float32", device="cpu")
    assert type(again.model) is type(m.model) and type(again.processor) is type(m.processor)
    for size in SIZES:
        a, b = m.encode(image(size), PROMPT), again.encode(image(size), PROMPT)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert torch.equal(logits(m), logits(again))
    answer = again.answer(image(), PROMPT, max_new_tokens=4)
    assert answer.ids == m.answer(image(), PROMPT, max_new_tokens=4).ids
    assert (logits(m) - logits(m, np.zeros_like(image()))).abs().max() > .1, "otherwise equality says nothing"


@pytest.mark.parametrize("family", shapes.TINY)
def test_the_seed_decides_the_weights(family):
    before = torch.random.get_rng_state()
    a, b, c = (made(family, s)[0].state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a[k], b[k]) for k in a) and not all(torch.equal(a[k], c[k]) for k in a)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_grouped_windows_give_the_same_logits_in_fewer_calls(family, monkeypatch):
    "Also for images whose windows are not all of one size."
    net, processor = made(family)
    m = checkpoints.load_checkpoint((net, processor))
    calls, attention = [], torch.nn.functional.scaled_dot_product_attention
    def count(*args, **kwargs):
        calls.append(1)
        return attention(*args, **kwargs)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", count)
    for size in SIZES:
        found, n = [], []
        for on in (True, False):
            calls.clear()
            with m.inference(plain=not on): found.append(logits(m, image(size)))
            n.append(len(calls))
        assert (found[0] - found[1]).abs().max() < 2e-4
        if family == "qwen2_5_vl": assert n[0] < n[1], n


PARAMETERS = {"llava-1.5-7b": 7.06e9, "qwen2.5-vl-3b": 3.75e9, "qwen2.5-vl-7b": 8.29e9, "internvl3.5-4b": 4.73e9}


@pytest.mark.parametrize("name", PARAMETERS)
def test_real_shapes_have_the_published_number_of_parameters(name):
    net, _ = shapes.real(name, device="meta", dtype="bfloat16")
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(PARAMETERS[name], rel=.005)
    text = net.config.get_text_config()
    short, processor = shapes.real(name, layers=1, vision_layers=1, device="meta")
    assert len(short.get_decoder().layers) == 1 and len(net.get_decoder().layers) == text.num_hidden_layers
    assert short.get_input_embeddings().weight.shape == (text.vocab_size, text.hidden_size)
    assert len(processor.tokenizer) < text.vocab_size


def test_a_short_real_shape_computes():
    net, processor = shapes.real("internvl3.5-4b", layers=1, vision_layers=1, dtype="bfloat16")
    m = models.Model(net, processor, "internvl3.5-4b")
    x = m.encode(image((640, 480)), PROMPT)
    assert x["pixel_values"].shape == (1, 3, 448, 448)
    assert int((x["input_ids"] == net.config.image_token_id).sum()) == 256
    with torch.no_grad(): assert torch.isfinite(net(**x, logits_to_keep=1).logits).all()


@pytest.mark.parametrize("call,message", [
    (lambda: shapes.tiny("lava"), "unknown family 'lava': choose one of llava"),
    (lambda: shapes.real("llava"), "unknown shape 'llava': choose one of llava-1.5-7b"),
    (lambda: shapes.real("llava-1.5-7b", layers=0), "layers must be at least 1, got 0"),
    (lambda: shapes.real("internvl3.5-4b", tiles=-1), "tiles must be at least 1, got -1")])
def test_shapes_that_do_not_exist_are_refused(call, message):
    with pytest.raises(ValueError, match=message): call()


# ---- how a checkpoint is given

def test_a_processor_of_another_family_is_refused():
    net, _ = made("llava")
    net.resize_token_embeddings(400)
    _, other = made("qwen2_5_vl")
    message = (r"Qwen2_5_VLProcessor does not fit .*(a picture|an image) is token \d+ for the processor "
               "and 3 for the model.*belongs to the model")
    with pytest.raises(ValueError, match=message): checkpoints.load_checkpoint((net, other))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused():
    net, processor = made("llava")
    net.resize_token_embeddings(50)
    with pytest.raises(ValueError, match=r"its tokenizer has \d+ tokens, the model knows 50"):
        checkpoints.load_checkpoint((net, processor))


def test_an_image_that_the_processor_rejects_is_an_error_with_its_size():
    m = checkpoints.load_checkpoint(made("qwen2_5_vl"))
    message = r"rejects this (picture|image).*900 x 2.*absolute aspect ratio.*Resize, crop or pad"
    with pytest.raises(ValueError, match=message): m.encode(np.zeros((2, 900, 3), np.uint8), PROMPT)


def test_a_chat_template_of_ones_own_is_used():
    pair = made("llava")
    part = "{% if c['type'] == 'image' %}<image>{% else %}Q: {{ c['text'] }}{% endif %}"
    template = "<s>{% for m in messages %}{% for c in m['content'] %}" + part + "{% endfor %}{% endfor %} A:"
    own = checkpoints.load_checkpoint(pair, chat_template=template)
    assert own.chat("Where?") == "<s><image>Q: Where? A:"
    brief = checkpoints.load_checkpoint(pair, system="Be brief.")
    assert brief.chat("Where?") == "<s>[system] Be brief. [user] <image>\nWhere? [assistant] "
    with pytest.raises(ValueError, match="chat template of .* cannot write this prompt.*chat_template="):
        checkpoints.load_checkpoint(pair, chat_template="{{ raise_exception('no') }}")


IMAGE = {"type": "image"}


@pytest.mark.parametrize("prompt,message", [
    ([], "a list of turns"),
    ([{"role": "user"}], "a list of turns"),
    (5, "a list of turns"),
    ([{"role": "user", "content": "no picture"}], "got 0 of 0 (pictures|images)"),
    ([{"role": "user", "content": [IMAGE, IMAGE]}], "got 2 of 2 (pictures|images)"),
    ([{"role": "user", "content": [{"type": "video"}]}], "a part of a turn is")])
def test_malformed_conversations_are_refused(model, prompt, message):
    with pytest.raises(ValueError, match=message): model.encode(image(), prompt)


def test_a_device_map_changes_no_logits(tmp_path):
    pytest.importorskip("accelerate", reason="device_map needs the package accelerate")
    path = shapes.save(*made("qwen2_5_vl"), tmp_path)
    m = checkpoints.load_checkpoint(path, dtype="float32", device_map={"": "cpu"})
    assert torch.equal(logits(m), logits(checkpoints.load_checkpoint(path, dtype="float32", device="cpu")))
    with pytest.raises(ValueError, match="device and device_map both"):
        checkpoints.load_checkpoint(path, device="cpu", device_map="auto")


def test_a_quantised_model_whose_scale_depends_on_the_call_is_refused():
    "8-bit linear layers of torch, in a model given as a pair: one token at a time, they round otherwise than all."
    if torch.backends.quantized.supported_engines in ([], ["none"]):
        pytest.skip("this build of torch has no engine for 8-bit layers")
    net, processor = made("llava")
    whole = checkpoints.load_checkpoint((net, processor))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear}, dtype=torch.qint8)
    m = checkpoints.load_checkpoint((small, processor))
    r = self_test(m)
    assert r.batched > .01 and "quantise with a scale per token" in " ".join(r.errors), str(r)
    assert not torch.equal(logits(m), logits(whole))


# ---- the hub

class Hub:
    "A hub whose every answer is an error."
    def __init__(self, monkeypatch, error):
        import huggingface_hub
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **kwargs: None)
        def model_info(*args, **kwargs): raise error
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)


def hub_error(name):
    "An error of the hub's library, which takes the response that caused it."
    import httpx
    from huggingface_hub import errors
    response = httpx.Response(404, request=httpx.Request("GET", "https://example.org"))
    return getattr(errors, name)("no", response=response)


@pytest.mark.parametrize("error,message", [
    ("RepositoryNotFoundError", "the hub has no model 'some/model', or you have no access"),
    ("GatedRepoError", "ask for access and log in"),
    ("RevisionNotFoundError", "has no revision 'v9': give a branch, a tag or a commit"),
    (ConnectionError("down"), "cannot reach the hub for 'some/model' at revision 'v9'.*check the network")])
def test_errors_of_the_hub_are_explained(monkeypatch, error, message):
    Hub(monkeypatch, hub_error(error) if isinstance(error, str) else error)
    with pytest.raises(FileNotFoundError, match=message): checkpoints.load_checkpoint("some/model", revision="v9")


def test_a_dtype_that_the_device_lacks_is_refused(monkeypatch):
    plain = torch.nn.functional.linear
    def linear(x, *args, **kwargs):
        if x.dtype == torch.float16: raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")
        return plain(x, *args, **kwargs)
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    with pytest.raises(ValueError, match="device 'cpu' does not compute with float16: choose float32"):
        checkpoints.load_checkpoint("scenes-llava", dtype="float16", device="cpu")
