"Loading: what works, what is refused, and that a checkpoint's own code never runs."
import builtins
import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PROMPT
from hypothesis import HealthCheck, given, settings, strategies as st

import eagle_nb
from eagle_nb import DATA, scenes
from eagle_nb.core.answers import read_tokens
from eagle_nb.core.checkpoints import load_checkpoint
from eagle_nb.core.models import Model

few = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FOLDER = DATA/"scenes-llava"


@pytest.fixture
def folder(tmp_path):
    "A copy of the embedded checkpoint to damage."
    shutil.copytree(FOLDER, tmp_path/"m")
    for p in (tmp_path/"m").iterdir(): p.chmod(0o644)
    return tmp_path/"m"


# ---- what works

def test_plain_classes_give_the_same(model, scene):
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from eagle_nb.core.checkpoints import _processor
    try: processor = AutoProcessor.from_pretrained(FOLDER)
    except ImportError as e: pytest.skip(f"transformers itself cannot: {e}")
    net = AutoModelForImageTextToText.from_pretrained(FOLDER, dtype=torch.float32)
    chat = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}], add_generation_prompt=True, tokenize=False)
    x = processor(images=[scene.image], text=[chat], return_tensors="pt", add_special_tokens=False)
    ours = model.encode(scene.image, PROMPT)
    assert all(torch.equal(x[k], ours[k]) for k in ("input_ids", "pixel_values"))
    with torch.no_grad(): assert torch.allclose(net(**x).logits, model.model(**ours).logits, atol=1e-5)


def test_folder_path_string_and_pair(model, scene):
    want = model.encode(scene.image, PROMPT)["input_ids"].tolist()
    for m in (load_checkpoint(FOLDER), load_checkpoint(str(FOLDER)), load_checkpoint((model.model, model.processor))):
        assert m.encode(scene.image, PROMPT)["input_ids"].tolist() == want and "Llava" in repr(m)
    assert load_checkpoint((model.model, model.processor)).model is model.model


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_dtype(dtype): assert load_checkpoint("scenes-llava", dtype=dtype, device="cpu").dtype == (torch.bfloat16 if dtype == "bfloat16" else dtype)


def test_answer_and_answers_agree(model):
    shown = [scenes.sample(i) for i in range(5)]
    prompts = [PROMPT, scenes.question("cat"), PROMPT, "Where was this taken?", scenes.question("dog")]
    side = model.tokenizer.padding_side
    for one, many in zip((model.answer(s.image, p) for s, p in zip(shown, prompts)), model.answers([s.image for s in shown], prompts, batch_size=3)):
        assert one.text == many.text and one.ids == many.ids
        assert not set(one.ids) & model.stop_ids and "</s>" not in one.text
    assert model.tokenizer.padding_side == side


def test_answer_is_greedy(model, scene):
    "Each token is the argmax of the plain forward."
    a = model.answer(scene.image, PROMPT)
    x = model.encode(scene.image, PROMPT)
    n = x["input_ids"].shape[1]
    x["input_ids"] = torch.cat([x["input_ids"], torch.tensor([a.ids])], 1)
    x["attention_mask"] = torch.ones_like(x["input_ids"])
    with torch.no_grad(): best = model.model(**x).logits[0, n-1:].argmax(-1).tolist()
    assert best[:len(a.ids)] == a.ids and best[len(a.ids)] in model.stop_ids


def test_as_many_tokens_as_asked_for(model, scene): assert len(model.answer(scene.image, PROMPT, max_new_tokens=3)) == 3


def test_answers_wants_a_prompt_an_image(model):
    with pytest.raises(ValueError, match="got 1 images and 2 prompts"): model.answers([scenes.sample(0).image], ["a", "b"])


@few
@given(st.lists(st.integers(0, 480), max_size=12))
def test_the_texts_of_tokens_make_the_text(model, ids):
    a = read_tokens(model.tokenizer, ids)
    assert "".join(a.tokens) == a.text == model.tokenizer.decode(ids, clean_up_tokenization_spaces=False) and len(a.tokens) == len(ids)
    for (i, j), token in zip(a.spans, a.tokens): assert a.text[i:j] == token or (token == "" and j - i <= 1)  # the first bytes of a character


@few
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<|>"), max_size=20))
def test_any_text_survives_reading(model, text):
    a = model.read(text)
    assert a.text == text and "".join(a.tokens) == text and len(a) == len(a.ids)
    assert model.read(a) is a and model.read(a.ids).tokens == a.tokens


@pytest.mark.parametrize("ids", [[10**7], [-1], [3, 10**7]])
def test_ids_that_are_no_tokens(model, ids):
    with pytest.raises(ValueError, match=r"answer ids must lie in 0..\d+ \(this tokenizer\), got .*give the text"): model.read(ids)


@pytest.mark.parametrize("answer", [3.5, {"text": "a"}, ["a", "b"]])
def test_answers_of_a_strange_kind(model, answer):
    with pytest.raises(ValueError, match="answer"): model.read(answer)


# ---- names and folders that are wrong

@pytest.mark.parametrize("name,error,says", [
    ("scenes-lava", ValueError, "unknown model 'scenes-lava': choose one of scenes-llava"), ("", ValueError, "unknown model"),
    ("/nowhere/at/all", FileNotFoundError, "no folder '/nowhere/at/all': give a folder"), (Path("nowhere"), FileNotFoundError, "no folder 'nowhere'"),
    ("./nowhere", FileNotFoundError, "no folder"), ("a/b/c", FileNotFoundError, "no folder")])
def test_unknown_names(name, error, says):
    with pytest.raises(error, match=says): load_checkpoint(name)


@pytest.mark.parametrize("source", [None, 5, ["scenes-llava"]])
def test_sources_of_a_strange_kind(source):
    with pytest.raises((ValueError, TypeError)) as e: load_checkpoint(source)
    assert "scenes-llava" in str(e.value), f"says what to give instead: {e.value}"


@pytest.mark.parametrize("dtype", ["int8", "floaty", torch.int32, 32])
def test_unknown_dtype(dtype):
    with pytest.raises(ValueError, match="dtype must be a floating type of torch, got .*float32, bfloat16, float16"): load_checkpoint("scenes-llava", dtype=dtype)


def says(error, folder):
    text = str(error)
    assert str(folder) in text, f"names the checkpoint: {text}"
    assert any(w in text.lower() for w in ("check", "choose", "give", "download", "again")), f"names a remedy: {text}"


def cut(path, share): path.write_bytes(path.read_bytes()[:int(path.stat().st_size*share)])


def drop(path, key):
    from safetensors.torch import load_file, save_file
    t = load_file(path)
    gone = next(k for k in t if key in k)
    del t[gone]
    save_file(t, path, {"format": "pt"})


def reshape(path):
    from safetensors.torch import load_file, save_file
    t = load_file(path)
    k = next(k for k in t if "lm_head" in k or "embed_tokens" in k)
    t[k] = t[k][:, :-8].contiguous()
    save_file(t, path, {"format": "pt"})


DAMAGE = {
    "empty folder": lambda f: [p.unlink() for p in f.iterdir()],
    "no config": lambda f: (f/"config.json").unlink(),
    "no weights": lambda f: (f/"model.safetensors").unlink(),
    "no tokenizer": lambda f: [p.unlink() for p in f.glob("token*")],
    "no processor": lambda f: (f/"processor_config.json").unlink(),
    "config is not JSON": lambda f: (f/"config.json").write_text("{ not json"),
    "config is a list": lambda f: (f/"config.json").write_text("[1, 2]"),
    "config is binary": lambda f: (f/"config.json").write_bytes(b"\xff\xfe\x00\x01"),
    "config says another type": lambda f: (f/"config.json").write_text('{"model_type": "no-such-model"}'),
    "config has no type": lambda f: (f/"config.json").write_text("{}"),
    "tokenizer is not JSON": lambda f: (f/"tokenizer.json").write_text("{ not json"),
    "processor is not JSON": lambda f: (f/"processor_config.json").write_text("nope"),
    "weights cut in the middle": lambda f: cut(f/"model.safetensors", .5),
    "weights cut in the header": lambda f: cut(f/"model.safetensors", .0005),
    "weights empty": lambda f: cut(f/"model.safetensors", 0),
    "weights of another shape": lambda f: reshape(f/"model.safetensors"),
    "a tensor is missing": lambda f: drop(f/"model.safetensors", "mlp"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder(folder, name):
    "Never a half-loaded model, never an error that names neither the folder nor a way out."
    DAMAGE[name](folder)
    with pytest.raises((OSError, ValueError)) as e: load_checkpoint(folder)
    says(e.value, folder)


# ---- models that see nothing

@pytest.fixture(scope="module")
def blind(tmp_path_factory, model):
    "A tiny text-only Llama with the embedded tokenizer."
    from transformers import LlamaConfig, LlamaForCausalLM
    net = LlamaForCausalLM(LlamaConfig(vocab_size=len(model.tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2))
    where = tmp_path_factory.mktemp("blind")
    net.save_pretrained(where)
    model.tokenizer.save_pretrained(where)
    return net, where


def test_a_text_model_in_a_folder(blind):
    with pytest.raises(ValueError, match="image") as e: load_checkpoint(blind[1])
    says(e.value, blind[1])


def test_a_text_model_as_a_pair(blind, model):
    for pair in ((blind[0], model.tokenizer), (blind[0], model.processor), (model.model, model.tokenizer)):
        with pytest.raises(ValueError, match="image|vision") as e: load_checkpoint(pair)
        assert any(w in str(e.value) for w in ("scenes-llava", "choose"))


@pytest.mark.parametrize("pair", [(), (1,), (1, 2), (1, 2, 3), ("scenes-llava", "cpu")])
def test_pairs_that_are_none(pair):
    with pytest.raises(ValueError, match=r"\(model, processor\)"): load_checkpoint(pair)


def test_a_pair_takes_dtype_and_device_or_refuses_them(model):
    "A setting that is given must not be dropped in silence."
    pair = copy.deepcopy(model.model), model.processor
    try: m = load_checkpoint(pair, dtype="bfloat16")
    except ValueError as e: assert "dtype" in str(e)
    else: assert m.dtype == torch.bfloat16


# ---- code that a checkpoint brings

CODE = """
from pathlib import Path
Path({marker!r}).write_text("executed")
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin, PreTrainedTokenizerFast
class Evil(PretrainedConfig): model_type = "evil"
class EvilModel(PreTrainedModel): config_class = Evil
class EvilProcessor(ProcessorMixin): pass
class EvilTokenizer(PreTrainedTokenizerFast): pass
"""


def with_code(folder, marker, where):
    (folder/"evil.py").write_text(CODE.format(marker=str(marker)))
    edit = lambda name, **kw: (folder/name).write_text(json.dumps({**json.loads((folder/name).read_text()), **kw}))
    if where == "config": edit("config.json", model_type="evil", architectures=["EvilModel"], auto_map={
        "AutoConfig": "evil.Evil", "AutoModel": "evil.EvilModel", "AutoModelForImageTextToText": "evil.EvilModel", "AutoProcessor": "evil.EvilProcessor"})
    if where == "processor": edit("processor_config.json", processor_class="EvilProcessor", auto_map={"AutoProcessor": "evil.EvilProcessor"})
    if where == "tokenizer": edit("tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map={"AutoTokenizer": [None, "evil.EvilTokenizer"]})
    if where == "known type": edit("config.json", auto_map={"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.EvilModel"})


@pytest.mark.parametrize("reply", ["y", "n", None])
@pytest.mark.parametrize("where", ["config", "processor", "tokenizer", "known type"])
def test_code_of_a_checkpoint_never_runs(folder, tmp_path, monkeypatch, where, reply):
    "Also where the user, asked in the terminal, would say yes: `load` must not ask at all."
    marker, asked = tmp_path/"executed", []
    def answer(prompt=""):
        asked.append(prompt)
        if reply is None: raise EOFError
        return reply
    monkeypatch.setattr(builtins, "input", answer)
    with_code(folder, marker, where)
    try: m = load_checkpoint(folder)
    except (ValueError, OSError) as e: error = e
    else:
        error = None
        assert type(m.model).__module__.startswith("transformers.") and type(m.processor).__module__.startswith("transformers.")
    assert not marker.exists(), "the checkpoint's code was executed"
    assert not asked, "the user was asked to let code run"
    if where in ("config", "processor"): assert error is not None
    if error is not None: assert "code" in str(error) and "(model, processor)" in str(error)


def test_pickled_weights_are_not_read(folder, tmp_path):
    "A folder with pytorch_model.bin only."
    marker = tmp_path/"executed"
    (folder/"model.safetensors").unlink()
    import pickle
    class Evil:
        def __reduce__(self): return (Path.write_text, (marker, "executed"))
    (folder/"pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises((OSError, ValueError)) as e: load_checkpoint(folder)
    assert not marker.exists() and str(folder) in str(e.value)


# ---- prompts and answers that hold special tokens

@pytest.mark.parametrize("prompt", ["What is <image> here?", "</s> Describe <s> the image.", "<|assistant|> Yes.", "", "  ", "<b>\"'&", "x"*300])
def test_prompts_that_are_odd(model, scene, prompt):
    "Either a result or an error that names the prompt and what is wrong; never a crash inside the model."
    try: a = model.answer(scene.image, prompt, max_new_tokens=3)
    except ValueError as e: assert "prompt" in str(e) and ("<image>" in str(e) or "tokens" in str(e)), e
    else: assert isinstance(a.text, str)


def test_a_prompt_longer_than_the_context(model, scene):
    with pytest.raises(ValueError, match=r"tokens.*512"): model.answer(scene.image, "What is this animal? "*300)
