"Loading: what works, what is refused, and that a checkpoint's own code never runs."
import builtins
import copy
import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision_help
from conftest import PROMPT

from eagle_nb import DATA, scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.checkpoints import load_checkpoint, save_processor, without_video
from eagle_nb.world import shapes

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


def test_auto_is_bfloat16_where_that_is_faster(monkeypatch):
    for times, want in ((3., torch.bfloat16), (.05, torch.float32)):
        monkeypatch.setattr(checkpoints, "half_speed", lambda kind=torch.bfloat16: times)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_checkpoint("scenes-llava", dtype="auto", device="cpu").dtype == want
            assert load_checkpoint("scenes-llava", device="cpu").dtype == torch.float32, "the same on every machine"


@pytest.mark.parametrize("native,want", [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_on_a_gpu(monkeypatch, native, want):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert checkpoints.fast_dtype("cuda:0") == want


def test_a_precision_that_is_emulated_is_warned_of(monkeypatch):
    monkeypatch.setattr(checkpoints, "half_speed", lambda kind: {torch.bfloat16: .9, torch.float16: 1/40}[kind])
    with pytest.warns(UserWarning, match="multiplies float16 40 times more slowly than float32: load the model"):
        load_checkpoint("scenes-llava", dtype="float16", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_checkpoint("scenes-llava", dtype="bfloat16", device="cpu")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the switch is that of x86")
def test_emulation_is_measured_not_read_from_flags():
    "The same processor, told not to use its 16-bit instructions."
    code = "from eagle_nb.core.checkpoints import fast_dtype; print(fast_dtype())"
    env = dict(os.environ, ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2", PYTHONPATH=str(DATA.parent.parent))
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert r.stdout.split() == ["torch.float32"], r.stderr


def test_threads_and_memory_are_settings_of_a_model(model):
    m = load_checkpoint("scenes-llava", threads=2, memory="3 GB")
    assert m.threads.best == 2 and m.memory == 3e9
    assert load_checkpoint((model.model, model.processor), threads=3).threads.best == 3
    with pytest.raises(ValueError, match="memory must be a number of bytes"): load_checkpoint("scenes-llava", memory="much")


def test_a_pair_takes_dtype_and_device_or_refuses_them(model):
    "A setting must not be dropped silently."
    pair = copy.deepcopy(model.model), model.processor
    try: m = load_checkpoint(pair, dtype="bfloat16")
    except ValueError as e: assert "dtype" in str(e)
    else: assert m.dtype == torch.bfloat16


# ---- what was saved is loaded

def made(family):
    try: return shapes.tiny(family)
    except ImportError as e: pytest.skip(str(e))


def settings_of(processor): return {k: v for k, v in processor.to_dict().items() if k != "video_processor"}


@pytest.mark.parametrize("family", shapes.FAMILIES)
def test_a_saved_checkpoint_computes_what_it_did(family, tmp_path):
    "Inputs, probabilities and every setting, of an image that has to be resized."
    net, processor = made(family)
    m = load_checkpoint((net, processor))
    again = load_checkpoint(shapes.save(net, processor, tmp_path), dtype="float32", device="cpu")
    assert type(again.processor.image_processor) is type(processor.image_processor)
    assert settings_of(again.processor) == settings_of(processor)
    image = scenes.sample(2).image.resize((300, 200))
    a, b = (x.encode(image, PROMPT) for x in (m, again))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    with torch.no_grad():
        p, q = (x.plain_logits({k: x.place(v) for k, v in inputs.items()}).softmax(-1) for x, inputs in ((m, a), (again, b)))
    assert torch.equal(p, q) and torch.isfinite(p).all()


@pytest.mark.parametrize("family, name, value", [
    ("llava_onevision", "num_image_tokens", 5), ("llava_onevision", "vision_feature_select_strategy", "default"),
    ("llava_onevision", "vision_aspect_ratio", "anyres_max_9"), ("internvl", "image_seq_length", 11),
    ("smolvlm", "image_seq_len", 11), ("gemma4", "image_seq_length", 11), ("llava", "num_additional_image_tokens", 7)])
def test_settings_of_a_processor_are_saved(family, name, value, tmp_path):
    from transformers import AutoProcessor
    net, processor = made(family)
    assert getattr(processor, name) != value
    setattr(processor, name, value)
    shapes.save(net, processor, tmp_path)
    with without_video(): again = AutoProcessor.from_pretrained(tmp_path)
    assert getattr(again, name) == value


def test_the_kind_of_an_image_processor_is_saved(tmp_path):
    "transformers writes the same name for that of PIL and that of torchvision."
    _, processor = made("qwen2_5_vl")
    save_processor(processor, tmp_path)
    saved = json.loads((tmp_path/"processor_config.json").read_text())
    assert saved["image_processor"]["image_processor_type"] == type(processor.image_processor).__name__
    assert "video_processor" not in saved


@pytest.mark.skipif(not torchvision_help.declared, reason="needs torchvision")
@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl", "gemma4", "minicpmv4_6"])
def test_the_image_processor_of_torchvision_stays_one_too(family, tmp_path):
    from transformers import AutoImageProcessor
    net, processor = made(family)
    shapes.save(net, processor, tmp_path/"pil")
    processor.image_processor = AutoImageProcessor.from_pretrained(tmp_path/"pil", backend="torchvision")
    m = load_checkpoint((net, processor))
    again = load_checkpoint(shapes.save(net, processor, tmp_path/"tv"), dtype="float32", device="cpu")
    assert again.processor.image_processor.backend == "torchvision"
    image = scenes.sample(2).image.resize((300, 200))
    a, b = (x.encode(image, PROMPT) for x in (m, again))
    assert all(torch.equal(a[k], b[k]) for k in a)


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


GENERATION = {
    "more answers than beams": ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences"),
    "no tokens": ({"max_new_tokens": -3}, "max_new_tokens"),
    "an end by its text": ({"eos_token_id": "</s>"}, "eos_token_id must be an id or a list of ids"),
    "a list": ([1, 2], "mapping"),
}


@pytest.mark.parametrize("name", GENERATION)
def test_settings_for_generate_that_cannot_be_used_are_named(folder, name):
    content, cause = GENERATION[name]
    (folder/"generation_config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"generation_config.json cannot be used.*{cause}.*pass generation_config=") as e:
        load_checkpoint(folder)
    check_message(e.value, folder)


def test_a_file_of_settings_for_generate_that_is_cut_off_is_not_overlooked(folder):
    "The ends of an answer that it names would be lost without a word."
    cut(folder/"generation_config.json", .5)
    with pytest.raises(ValueError, match="generation_config.json cannot be used.*it is not valid JSON.*pass generation_config="): load_checkpoint(folder)


def test_the_remedy_for_settings_for_generate_works(folder, model, scene):
    from transformers import GenerationConfig
    (folder/"generation_config.json").write_text('{"num_return_sequences": 4}')
    m = load_checkpoint(folder, dtype="float32", device="cpu", generation_config=GenerationConfig(eos_token_id=1))
    assert m.answer(scene.image, PROMPT) == model.answer(scene.image, PROMPT)


@pytest.mark.parametrize("settings", [
    {"num_beams": 4, "early_stopping": True, "length_penalty": 2.}, {"do_sample": True, "temperature": 9., "top_k": 2},
    {"repetition_penalty": 5., "no_repeat_ngram_size": 1}, {"min_new_tokens": 30}, {"guidance_scale": 3.},
    {"suppress_tokens": list(range(20, 200)), "forced_eos_token_id": 5}, {"eos_token_id": None, "pad_token_id": None}])
def test_settings_for_generate_change_no_answer(folder, model, scene, settings):
    path = folder/"generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    m = load_checkpoint(folder, dtype="float32", device="cpu")
    assert m.answer(scene.image, PROMPT) == model.answer(scene.image, PROMPT)


def test_a_package_that_is_missing_is_named(folder):
    if torchvision_help.declared: pytest.skip("torchvision is there")
    path = folder/"processor_config.json"
    content = json.loads(path.read_text())
    content["image_processor"]["image_processor_type"] = "Lfm2VlImageProcessor"
    path.write_text(json.dumps(content))
    with pytest.raises(ImportError, match="needs a package: pip install torchvision"): load_checkpoint(folder)


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
