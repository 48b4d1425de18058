"Loading: what works, what is refused, and that a checkpoint's own code never runs."
import builtins
import copy
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from conftest import PROMPT

from eagle_nb import DATA
from eagle_nb.core.checkpoints import load_checkpoint

FOLDER = DATA/"scenes-llava"


@pytest.fixture
def folder(tmp_path):
    "A copy of the embedded checkpoint to damage."
    shutil.copytree(FOLDER, tmp_path/"m")
    for p in (tmp_path/"m").iterdir(): p.chmod(0o644)
    return tmp_path/"m"


def check_message(error, folder):
    "A message names the checkpoint and a remedy."
    text = str(error)
    assert str(folder) in text, f"names the checkpoint: {text}"
    remedies = ("check", "choose", "give", "download", "again")
    assert any(word in text.lower() for word in remedies), f"names a remedy: {text}"


# ---- what works

def test_a_folder_a_string_and_a_pair_load_the_same_model(model, scene):
    expected = model.encode(scene.image, PROMPT)["input_ids"].tolist()
    pair = model.model, model.processor
    for m in (load_checkpoint(FOLDER), load_checkpoint(str(FOLDER)), load_checkpoint(pair)):
        assert m.encode(scene.image, PROMPT)["input_ids"].tolist() == expected and "Llava" in repr(m)
    assert load_checkpoint(pair).model is model.model


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_a_model_loads_in_the_requested_precision(dtype):
    expected = torch.bfloat16 if dtype == "bfloat16" else dtype
    assert load_checkpoint("scenes-llava", dtype=dtype, device="cpu").dtype == expected


def test_a_pair_takes_dtype_and_device_or_refuses_them(model):
    "A setting must not be dropped silently."
    pair = copy.deepcopy(model.model), model.processor
    try: m = load_checkpoint(pair, dtype="bfloat16")
    except ValueError as e: assert "dtype" in str(e)
    else: assert m.dtype == torch.bfloat16


# ---- wrong names and settings

@pytest.mark.parametrize("name, error, message", [
    ("scenes-lava", ValueError, "unknown model 'scenes-lava': choose one of scenes-llava"),
    ("", ValueError, "unknown model"),
    ("/nowhere/at/all", FileNotFoundError, "no folder '/nowhere/at/all': give a folder"),
    (Path("nowhere"), FileNotFoundError, "no folder 'nowhere'"),
    ("./nowhere", FileNotFoundError, "no folder"),
    ("a/b/c", FileNotFoundError, "no folder")])
def test_unknown_names_are_refused(name, error, message):
    with pytest.raises(error, match=message): load_checkpoint(name)


@pytest.mark.parametrize("source", [None, 5, ["scenes-llava"]])
def test_sources_of_an_unknown_type_are_refused(source):
    with pytest.raises((ValueError, TypeError)) as e: load_checkpoint(source)
    assert "scenes-llava" in str(e.value), f"says what to give instead: {e.value}"


@pytest.mark.parametrize("dtype", ["int8", "floaty", torch.int32, 32])
def test_unknown_precisions_are_refused(dtype):
    message = "dtype must be a floating type of torch, got .*float32, bfloat16, float16"
    with pytest.raises(ValueError, match=message): load_checkpoint("scenes-llava", dtype=dtype)


# ---- damaged folders

def cut(path, share):
    "Keep only the beginning of a file."
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size*share)])


def drop(path, name):
    "Remove the first tensor with this in its name."
    from safetensors.torch import load_file, save_file
    tensors = load_file(path)
    del tensors[next(k for k in tensors if name in k)]
    save_file(tensors, path, {"format": "pt"})


def reshape(path):
    "Make the embeddings narrower."
    from safetensors.torch import load_file, save_file
    tensors = load_file(path)
    k = next(k for k in tensors if "lm_head" in k or "embed_tokens" in k)
    tensors[k] = tensors[k][:, :-8].contiguous()
    save_file(tensors, path, {"format": "pt"})


DAMAGE = {
    "empty folder": lambda f: [p.unlink() for p in f.iterdir()],
    "no config": lambda f: (f/"config.json").unlink(),
    "no weights": lambda f: (f/"model.safetensors").unlink(),
    "no tokenizer": lambda f: [p.unlink() for p in f.glob("token*")],
    "no processor": lambda f: (f/"processor_config.json").unlink(),
    "config is not JSON": lambda f: (f/"config.json").write_text("{ not json"),
    "config is a list": lambda f: (f/"config.json").write_text("[1, 2]"),
    "config is binary": lambda f: (f/"config.json").write_bytes(b"\xff\xfe\x00\x01"),
    "config names another type": lambda f: (f/"config.json").write_text('{"model_type": "no-such-model"}'),
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
def test_a_damaged_folder_is_refused(folder, name):
    "Never a half-loaded model, never an error that names neither the folder nor a remedy."
    DAMAGE[name](folder)
    with pytest.raises((OSError, ValueError)) as e: load_checkpoint(folder)
    check_message(e.value, folder)


# ---- models that take no image

@pytest.fixture(scope="module")
def text_only(tmp_path_factory, model):
    "A tiny text-only Llama with the embedded tokenizer, and its folder."
    from transformers import LlamaConfig, LlamaForCausalLM
    config = LlamaConfig(vocab_size=len(model.tokenizer), hidden_size=32, intermediate_size=64,
                         num_hidden_layers=1, num_attention_heads=2)
    net, where = LlamaForCausalLM(config), tmp_path_factory.mktemp("blind")
    net.save_pretrained(where)
    model.tokenizer.save_pretrained(where)
    return net, where


def test_a_text_only_model_in_a_folder_is_refused(text_only):
    with pytest.raises(ValueError, match="image") as e: load_checkpoint(text_only[1])
    check_message(e.value, text_only[1])


def test_a_text_only_model_as_a_pair_is_refused(text_only, model):
    net = text_only[0]
    for pair in ((net, model.tokenizer), (net, model.processor), (model.model, model.tokenizer)):
        with pytest.raises(ValueError, match="image|vision") as e: load_checkpoint(pair)
        assert any(word in str(e.value) for word in ("scenes-llava", "choose"))


@pytest.mark.parametrize("pair", [(), (1,), (1, 2), (1, 2, 3), ("scenes-llava", "cpu")])
def test_tuples_that_hold_no_model_are_refused(pair):
    with pytest.raises(ValueError, match=r"\(model, processor\)"): load_checkpoint(pair)


# ---- code that comes with a checkpoint

CODE = """
from pathlib import Path
Path({marker!r}).write_text("executed")
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin, PreTrainedTokenizerFast
class Evil(PretrainedConfig): model_type = "evil"
class EvilModel(PreTrainedModel): config_class = Evil
class EvilProcessor(ProcessorMixin): pass
class EvilTokenizer(PreTrainedTokenizerFast): pass
"""

EVIL = {
    "config": ("config.json", dict(model_type="evil", architectures=["EvilModel"], auto_map={
        "AutoConfig": "evil.Evil", "AutoModel": "evil.EvilModel",
        "AutoModelForImageTextToText": "evil.EvilModel", "AutoProcessor": "evil.EvilProcessor"})),
    "processor": ("processor_config.json", dict(processor_class="EvilProcessor", auto_map={
        "AutoProcessor": "evil.EvilProcessor"})),
    "tokenizer": ("tokenizer_config.json", dict(tokenizer_class="EvilTokenizer", auto_map={
        "AutoTokenizer": [None, "evil.EvilTokenizer"]})),
    "known type": ("config.json", dict(auto_map={
        "AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.EvilModel"})),
}


def add_code(folder, marker, where):
    "Let a checkpoint bring code that leaves a marker when it runs."
    (folder/"evil.py").write_text(CODE.format(marker=str(marker)))
    name, changes = EVIL[where]
    (folder/name).write_text(json.dumps({**json.loads((folder/name).read_text()), **changes}))


@pytest.mark.parametrize("reply", ["y", "n", None])
@pytest.mark.parametrize("where", ["config", "processor", "tokenizer", "known type"])
def test_code_of_a_checkpoint_never_runs(folder, tmp_path, monkeypatch, where, reply):
    "Not even for a user who would say yes in the terminal: `load` must not ask at all."
    marker, asked, error = tmp_path/"executed", [], None
    def answer(prompt=""):
        asked.append(prompt)
        if reply is None: raise EOFError
        return reply
    monkeypatch.setattr(builtins, "input", answer)
    add_code(folder, marker, where)
    try: m = load_checkpoint(folder)
    except (ValueError, OSError) as e: error = e
    else:
        assert type(m.model).__module__.startswith("transformers.")
        assert type(m.processor).__module__.startswith("transformers.")
    assert not marker.exists(), "the checkpoint's code was executed"
    assert not asked, "the user was asked to let code run"
    if where in ("config", "processor"): assert error is not None
    if error is not None: assert "code" in str(error) and "(model, processor)" in str(error)


def test_pickled_weights_are_not_read(folder, tmp_path):
    "A folder with pytorch_model.bin only."
    marker = tmp_path/"executed"
    (folder/"model.safetensors").unlink()
    class Evil:
        def __reduce__(self): return (Path.write_text, (marker, "executed"))
    (folder/"pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises((OSError, ValueError)) as e: load_checkpoint(folder)
    assert not marker.exists() and str(folder) in str(e.value)
