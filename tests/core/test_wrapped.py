"Models as people have them: in training mode, wrapped, adapted, offloaded, and with settings of their own."
import copy
import io
import pickle
import threading
import warnings

import pytest
import torch
from conftest import PROMPT

from eagle_nb import explain, scenes
from eagle_nb.core.checkpoints import load_checkpoint
from eagle_nb.core.forward import Forward
from eagle_nb.core.selftest import load
from eagle_nb.world import shapes

IMAGE = scenes.sample(18).image
FAMILIES = ("llava", "qwen2_5_vl")


def made(family="llava"):
    try: return shapes.tiny(family)
    except ImportError as e: pytest.skip(str(e))


def scored(m, text="A cat.", image=IMAGE):
    "Probabilities of an answer by the scorer's forward."
    f = Forward(m, image, PROMPT, m.read(text).ids)
    return f(f.whole, 1)[0]


def plain(m, given, text="A cat."):
    "The same by the object that was given, called as transformers describes it, in evaluation mode."
    f = Forward(m, IMAGE, PROMPT, m.read(text).ids)
    x = {k: v for k, v in f.inputs.items() if k != "position_ids"}
    with torch.no_grad(): out = given(**x, pixel_values=f.whole)
    logits = out[0] if isinstance(out, tuple) else out.logits
    return logits[0, f.at].float().softmax(-1)[range(len(f.ids)), f.ids]


# ---- modes

def mix(net, dropout=.5):
    "Every third part in evaluation, all others in training with much dropout; the modes."
    for k, part in enumerate(net.modules()):
        part.training = k % 3 > 0
        if hasattr(part, "attention_dropout"): part.attention_dropout = dropout
    return [part.training for part in net.modules()]


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl", "gemma3"])
def test_modes_of_the_parts_change_no_number_and_are_kept(family):
    net, processor = made(family)
    m = load((net, processor))
    probability, answer = scored(m), m.answer(IMAGE, PROMPT, 5)
    expected = explain(m, IMAGE, answer="A cat.", regions=9, search="one_shot", show_progress=False)
    modes = mix(net)
    assert torch.equal(scored(m), probability) and m.answer(IMAGE, PROMPT, 5) == answer
    found = explain(m, IMAGE, answer="A cat.", regions=9, search="one_shot", show_progress=False)
    assert (found.token_insertion == expected.token_insertion).all() and (found.order == expected.order).all()
    assert [part.training for part in net.modules()] == modes
    again = load((net, processor))
    assert again.report.ok and torch.equal(scored(again), probability)
    assert [part.training for part in net.modules()] == modes


def test_dropout_would_be_seen():
    "The model of the test above does change its numbers in training mode, where nobody holds it."
    net, processor = made()
    m = load_checkpoint((net, processor))
    x = m.encode(IMAGE, PROMPT)
    with torch.no_grad():
        before = net(**x).logits
        mix(net)
        assert (net(**x).logits - before).abs().max() > 1e-3


def test_modes_are_kept_after_an_error_and_after_gradients():
    net, processor = made("qwen2_5_vl")
    m = load_checkpoint((net, processor))
    modes = mix(net)
    def fail(*args): raise KeyError("stop")
    hook = m.decoder.layers[1].register_forward_pre_hook(fail)
    for run in (lambda: scored(m), lambda: m.answer(IMAGE, PROMPT, 3)):
        with pytest.raises(KeyError): run()
    hook.remove()
    f = Forward(m, IMAGE, PROMPT, m.read("A cat.").ids)
    with m.frozen():
        pixels = f.whole.clone().requires_grad_()
        f.logits(pixels, 1, [0]).sum().backward()
    assert pixels.grad.abs().max() > 0 and all(p.requires_grad for p in net.parameters())
    assert [part.training for part in net.modules()] == modes
    assert net.model.visual.config._attn_implementation == "sdpa"
    assert type(net.model.visual.patch_embed.proj) is torch.nn.Conv3d


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_share_a_model_in_training_mode(family):
    net, processor = made(family)
    m, other = load_checkpoint((net, processor)), load_checkpoint((net, processor))
    expected, answer = scored(m), m.answer(IMAGE, PROMPT, 4).ids
    modes, wrong = mix(net), []
    def work(model):
        try:
            for _ in range(6):
                if not torch.equal(scored(model), expected): wrong.append("probability")
                if model.answer(IMAGE, PROMPT, 4).ids != answer: wrong.append("answer")
        except BaseException as e: wrong.append(e)
    threads = [threading.Thread(target=work, args=(model,)) for model in (m, other, m)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert not wrong and [part.training for part in net.modules()] == modes
    assert net.config.get_text_config()._attn_implementation == "sdpa" and not hooks_of(net)


def test_threads_explain_images_of_tiles_with_one_model():
    "Equal tiles are shown to the tower once; another thread's image must not be cut down with them."
    m = load(made("internvl"))
    images = [scenes.sample(k).image.resize((448, 224)) for k in (18, 19)]
    kw = dict(answer="A cat.", regions=9, search="one_shot", show_progress=False, batch_size=4)
    expected = [explain(m, image, **kw).token_insertion for image in images]
    found, wrong = {}, []
    def work(k):
        try:
            for _ in range(4): found[k] = explain(m, images[k % 2], **kw).token_insertion
        except BaseException as e: wrong.append(e)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert not wrong
    assert max(abs(found[k] - expected[k % 2]).max() for k in found) < 1e-6


# ---- a given model stays what it is

def hooks_of(net): return [f for part in net.modules() for f in part._forward_hooks.values()]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_computes_with_its_own_weights(family):
    m = load(made(family))
    scored(m)
    other = copy.deepcopy(m.model)
    with torch.no_grad():
        for name, p in other.named_parameters():
            if "patch_embed" in name: p.zero_()
    fresh = made(family)[0]
    fresh.load_state_dict(other.state_dict())
    theirs, mine = load_checkpoint((other, m.processor)), load_checkpoint((fresh, m.processor))
    assert torch.equal(scored(theirs), scored(mine)) and not torch.equal(scored(theirs), scored(m))


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl"])
def test_a_model_in_use_is_pickled_and_saved_as_it_was(family, tmp_path):
    net, processor = made(family)
    net.save_pretrained(tmp_path/"before")
    attributes = [sorted(vars(part)) for part in net.modules()]
    m = load((net, processor))
    expected, _ = scored(m), m.answer(IMAGE, PROMPT, 3)
    assert [sorted(vars(part)) for part in net.modules()] == attributes and not hooks_of(net)
    again = pickle.loads(pickle.dumps(m))
    assert torch.equal(scored(again), expected)
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    assert torch.equal(scored(load_checkpoint((torch.load(stream, weights_only=False), processor))), expected)
    net.save_pretrained(tmp_path/"after")
    for name in ("config.json", "generation_config.json"):
        assert (tmp_path/"after"/name).read_text() == (tmp_path/"before"/name).read_text()


def test_hooks_that_transformers_made_before_stay():
    net, processor = made("llava")
    m = load_checkpoint((net, processor))
    with torch.no_grad(): net(**m.encode(IMAGE, PROMPT))
    before = hooks_of(net)
    scored(m)
    assert before and hooks_of(net) == before


def test_an_implementation_of_attention_that_someone_chose_is_used():
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    calls = []
    def counted(*args, **kwargs):
        calls.append(1)
        return sdpa_attention_forward(*args, **kwargs)
    AttentionInterface.register("counted", counted)
    net, processor = made("qwen2_5_vl")
    net.model.visual.config._attn_implementation = "counted"
    scored(load_checkpoint((net, processor)))
    assert calls and net.model.visual.config._attn_implementation == "counted"


def test_a_tower_that_cuts_patches_in_another_way_is_left_alone():
    net, processor = made("qwen2_5_vl")
    m = load_checkpoint((net, processor))
    expected, embed = scored(m), net.model.visual.patch_embed
    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = embed
        def forward(self, x): return self.inner(x)
    net.model.visual.patch_embed = Other()
    assert torch.allclose(scored(m), expected, atol=1e-6)


# ---- generation

GENERATION = [dict(do_sample=True, temperature=2., top_k=50), dict(repetition_penalty=1.3), dict(num_beams=3),
              dict(num_beams=3, num_return_sequences=2), dict(num_return_sequences=2),
              dict(return_dict_in_generate=True, output_scores=True), dict(no_repeat_ngram_size=2),
              dict(min_new_tokens=20), dict(min_length=600), dict(max_length=20), dict(use_cache=False),
              dict(num_beams=2, num_beam_groups=2, diversity_penalty=.5), dict(eos_token_id=None),
              dict(bad_words_ids=[[5], [6], [7]]), dict(forced_eos_token_id=2), dict(prompt_lookup_num_tokens=3),
              dict(cache_implementation="static"), dict(length_penalty=-5., num_beams=2), dict(guidance_scale=3.),
              dict(suppress_tokens=list(range(20, 400))), dict(begin_suppress_tokens=list(range(20, 400))),
              dict(exponential_decay_length_penalty=(1, 9.)), dict(encoder_repetition_penalty=2.),
              dict(sequence_bias=[[[9], 50.]]), dict(max_time=1e-9), dict(stop_strings=["a"]),
              dict(remove_invalid_values=True, renormalize_logits=True), dict(penalty_alpha=.6, top_k=4)]


@pytest.mark.parametrize("settings", GENERATION, ids=lambda s: ",".join(s))
def test_an_answer_is_greedy_whatever_the_checkpoint_generates_with(trained, settings, recwarn):
    images = [scenes.sample(k).image for k in (18, 19)]
    expected = [a.ids for a in trained.answers(images, [PROMPT]*2)]
    own = copy.deepcopy(trained.model.generation_config)
    try:
        for k, v in settings.items(): setattr(trained.model.generation_config, k, v)
        kept = copy.deepcopy(vars(trained.model.generation_config))
        assert [a.ids for a in trained.answers(images, [PROMPT]*2)] == expected
        assert vars(trained.model.generation_config) == kept
        assert [str(w.message) for w in recwarn] == []
    finally: trained.model.generation_config = own


@pytest.fixture(scope="module")
def trained(): return load("scenes-llava", check=False)


def test_the_tokens_of_an_answer_are_the_likeliest_of_the_explained_probabilities(trained):
    trained.model.generation_config.repetition_penalty = 1.5
    try: answer = trained.answer(IMAGE, PROMPT)
    finally: trained.model.generation_config.repetition_penalty = None
    f = Forward(trained, IMAGE, PROMPT, answer.ids)
    assert f.logits(f.whole, 1, list(range(len(answer))))[0].argmax(-1).tolist() == answer.ids


@pytest.mark.parametrize("rows", [1, 4])
def test_another_number_of_answers_than_images_is_refused(rows, monkeypatch):
    m = load_checkpoint(made())
    def generate(**kw): return kw["input_ids"][:1].repeat(rows, 1)
    monkeypatch.setattr(m.model, "generate", generate)
    with pytest.raises(ValueError, match=f"returns {rows} rows for 2 prompts.*answer="): m.answers([IMAGE]*2, [PROMPT]*2)


def test_ids_without_the_prompt_are_refused(monkeypatch):
    m = load_checkpoint(made())
    monkeypatch.setattr(m.model, "generate", lambda **kw: kw["input_ids"][:, -3:])
    with pytest.raises(ValueError, match="other rows than each prompt with its answer"): m.answer(IMAGE)


# ---- long answers

def test_an_answer_that_is_cut_off_is_told(trained):
    whole = trained.answer(IMAGE, PROMPT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trained.answer(IMAGE, PROMPT, len(whole) + 1) == whole
        trained.answer(IMAGE, PROMPT, 3) # a limit that was asked for
    trained.model.generation_config.eos_token_id = None
    talks = copy.copy(trained.tokenizer.eos_token)
    try:
        trained.tokenizer.eos_token = "<pad>" # an end that never comes
        with pytest.warns(UserWarning, match="1 of 1 answers did not end within 64 tokens.*larger max_new_tokens"):
            assert len(trained.answer(IMAGE, PROMPT)) == 64
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(trained.answer(IMAGE, PROMPT, 80)) == 80
    finally:
        trained.tokenizer.eos_token = talks
        trained.model.generation_config.eos_token_id = trained.tokenizer.eos_token_id


def test_explain_takes_a_limit_and_tells_what_it_cuts_off(trained):
    few = dict(regions=4, search="one_shot", show_progress=False)
    with pytest.warns(UserWarning, match="did not end within 3 tokens"):
        assert len(explain(trained, IMAGE, PROMPT, max_new_tokens=3, **few).answer) == 3
    whole = explain(trained, IMAGE, PROMPT, max_new_tokens=100, **few).answer
    assert whole == trained.answer(IMAGE, PROMPT)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_token_is_refused(trained, limit):
    with pytest.raises(ValueError, match=f"max_new_tokens must be at least 1, got {limit}"): trained.answer(IMAGE, PROMPT, limit)


# ---- wrappers

def adapted(net, **kw):
    peft = pytest.importorskip("peft")
    return peft.get_peft_model(net, peft.LoraConfig(**dict(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=.5,
                                                          init_lora_weights=False) | kw))


def with_adapter(net):
    peft = pytest.importorskip("peft")
    net.add_adapter(peft.LoraConfig(r=4, target_modules=["q_proj"], lora_dropout=.5, init_lora_weights=False))
    return net


def trained_on(net):
    "As fine-tuning leaves it: checkpointing, gradients of the inputs, training mode."
    model = adapted(net)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable()
    return model.train()


def compiled_forward(net):
    net.forward = torch.compile(net.forward, backend="eager")
    return net


def compiled_inside(net):
    net.model.language_model = torch.compile(net.model.language_model, backend="eager")
    return net


def told(**settings):
    "Settings of the configuration."
    def change(net):
        if settings.get("output_attentions"): net.set_attn_implementation("eager")
        for config in (net.config, net.config.get_text_config(), net.config.vision_config):
            for k, v in settings.items(): setattr(config, k, v)
        return net
    return change


def done(name, *args, **kw):
    "A method of the model that changes it."
    def change(net):
        getattr(net, name)(*args, **kw)
        return net
    return change


def offloaded(net, to, folder):
    accelerate = pytest.importorskip("accelerate")
    if to == "cpu": accelerate.cpu_offload(net, execution_device="cpu")
    else: accelerate.disk_offload(net, str(folder), execution_device="cpu")
    return net


WRAPPERS = {
    "nothing": lambda net: net,
    "torch.compile": lambda net: torch.compile(net, backend="eager"),
    "model.compile": done("compile", backend="eager"),
    "compiled forward": compiled_forward,
    "compiled part": compiled_inside,
    "output_hidden_states": told(output_hidden_states=True),
    "output_attentions": told(output_attentions=True),
    "use_cache=False": told(use_cache=False),
    "gradient checkpointing": done("gradient_checkpointing_enable"),
    "requires_grad": done("requires_grad_", True),
    "double": done("double"),
    "PeftModel": adapted,
    "two adapters": lambda net: both_on(adapted(net)),
    "adapter of the head": lambda net: adapted(net, target_modules=["q_proj", "lm_head"]),
    "adapter of the tower": lambda net: adapted(net, target_modules=["qkv", "q_proj", "proj"]),
    "trained copies": lambda net: adapted(net, modules_to_save=["lm_head"]),
    "compiled PeftModel": lambda net: torch.compile(adapted(net), backend="eager"),
    "add_adapter": with_adapter,
    "fine-tuned": trained_on,
}


def both_on(model):
    import peft
    model.add_adapter("second", peft.LoraConfig(r=2, target_modules=["v_proj"], init_lora_weights=False))
    model.base_model.set_adapter(["default", "second"])
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_model_is_explained_as_it_computes(family, wrapper):
    net, processor = made(family)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore") # of peft and torch
        given = WRAPPERS[wrapper](net)
    m = load((given, processor))
    assert m.report.ok, m.report
    found = scored(m)
    given.eval()
    assert (found - plain(m, given)).abs().max() < 1e-5
    assert len(m.answer(IMAGE, PROMPT, 3)) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_without_names_change_nothing(family):
    "Where transformers itself fails with return_dict=False."
    expected, (net, processor) = load(made(family)), made(family)
    told(return_dict=False)(net)
    m = load((net, processor))
    assert m.report.ok and torch.equal(scored(m), scored(expected))
    assert m.answer(IMAGE, PROMPT, 4) == expected.answer(IMAGE, PROMPT, 4)
    assert net.config.return_dict is False and net.config.vision_config.return_dict is False


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("to", ["cpu", "disk"])
def test_an_offloaded_model_computes_what_it_does_in_memory(family, to, tmp_path):
    expected = load(made(family))
    net, processor = made(family)
    m = load((offloaded(net, to, tmp_path), processor))
    assert m.report.ok and m.device.type == "cpu" and m.fingerprint is None
    assert (scored(m) - scored(expected)).abs().max() < 1e-5
    assert m.answer(IMAGE, PROMPT, 4) == expected.answer(IMAGE, PROMPT, 4)
    rows = torch.arange(5)
    with torch.no_grad(): assert (m.output_rows(rows) - expected.output_rows(rows)).abs().max() < 1e-6


def test_a_folder_loads_with_its_weights_on_disk(tmp_path):
    pytest.importorskip("accelerate")
    net, processor = made()
    shapes.save(net, processor, tmp_path/"m")
    m = load(tmp_path/"m", dtype="float32", device_map={"model": "disk", "lm_head": "cpu"}, offload_folder=tmp_path/"w")
    assert m.report.ok and (scored(m) - scored(load((net, processor)))).abs().max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_in_int8_with_a_scale_per_call_is_refused(family):
    "One scale for all tokens of a call: a token at a time rounds otherwise, and later tokens move earlier ones."
    net, processor = made(family)
    int8 = torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear}, dtype=torch.qint8)
    with pytest.raises(ValueError, match="off those of generate.*quantise with a scale per token"):
        load((int8, processor))
    assert load((int8, processor), check=False).fingerprint


@pytest.mark.parametrize("wrap, remedy", [
    (torch.nn.DataParallel, "got DataParallel, .*pass model.module"),
    (lambda net: torch.nn.ModuleDict(dict(a=net)), "got ModuleDict, .*choose an image-text-to-text"),
    (lambda net: tuned(net), "PromptTuningConfig acts on the prompt.*model.get_base_model\\(\\), or one with LoRA")])
def test_wrappers_that_compute_something_else_are_refused(wrap, remedy):
    net, processor = made()
    with pytest.raises(ValueError, match=remedy): load((wrap(net), processor))


def tuned(net):
    peft = pytest.importorskip("peft")
    return peft.get_peft_model(net, peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))


def test_a_folder_of_an_adapter_names_the_remedy(tmp_path):
    net, processor = made()
    adapted(net).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds an adapter.*PeftModel.from_pretrained"): load(tmp_path)


def test_rows_of_a_head_with_an_adapter_are_those_it_computes_with():
    net, processor = made()
    m = load_checkpoint((adapted(net, target_modules=["lm_head"]), processor))
    ids = torch.arange(6)
    with torch.no_grad():
        rows, h = m.output_rows(ids), torch.randn(3, m.decoder.config.hidden_size)
        with m.inference(): expected = m.model.get_output_embeddings()(h)[:, ids]
    assert torch.allclose(h @ rows.T, expected, atol=1e-5)
    assert not torch.allclose(rows, m.model.get_output_embeddings().base_layer.weight[ids], atol=1e-3)


def test_a_fingerprint_tells_which_adapters_are_on():
    net, processor = made()
    model = adapted(net)
    m = load_checkpoint((model, processor))
    on = m.fingerprint
    with model.disable_adapter(): off = m.fingerprint
    for part in net.modules():
        if isinstance(getattr(part, "scaling", None), dict): part.scaling["default"] *= 2
    assert len({on, off, m.fingerprint}) == 3


# ---- processors

def without(**settings):
    def change(processor):
        for k, v in settings.items(): setattr(processor, k, v)
    return change


@pytest.mark.parametrize("change, cause", [
    (without(patch_size=None), r"set processor\.patch_size = 14"),
    (without(patch_size=7), r"tokens.*features.*set processor\.patch_size = 14"),
    (without(vision_feature_select_strategy=None), r"set processor\.vision_feature_select_strategy = 'default'"),
    (without(vision_feature_select_strategy="full"), r"set processor\.vision_feature_select_strategy = 'default'"),
    (without(num_additional_image_tokens=0), r"set processor\.num_additional_image_tokens = 1"),
    (without(chat_template=None), r"chat template.*chat_template="),
    (without(chat_template="{{ 'Describe.' }}"), r"writes no image token: none of <image> in 'Describe.'.*chat_template=")])
def test_a_processor_that_lacks_something_is_named_at_load(change, cause):
    net, processor = made("llava")
    change(processor)
    with pytest.raises(ValueError, match=cause) as e: load((net, processor), check=False)
    assert "Resize" not in str(e.value)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "gemma3", "idefics3"])
def test_a_template_without_an_image_is_named_at_load(family):
    net, processor = made(family)
    with pytest.raises(ValueError, match="writes no image token.*chat_template="):
        load((net, processor), chat_template="{{ messages[0]['content'][-1]['text'] }}", check=False)


def test_another_merge_of_patches_is_named_at_load():
    net, processor = made("qwen2_5_vl")
    processor.image_processor.merge_size = 1
    with pytest.raises(ValueError, match="cannot prepare an ordinary image.*belongs to the model"):
        load((net, processor), check=False)


# ---- template variables

THINKING = ("{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}"
            "{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
            "{% if enable_thinking is defined and enable_thinking is false %} [no thoughts]{% endif %}")


def test_template_variables_reach_the_template_and_the_record():
    net, processor = made()
    processor.chat_template = THINKING
    m = load((net, processor), chat_template_kwargs=dict(enable_thinking=False))
    assert m.chat("Where?") == "<image>Where? [no thoughts]"
    assert load((net, processor)).chat("Where?") == "<image>Where?"
    assert processor.decode(m.encode(IMAGE, "Where?")["input_ids"][0]).rstrip().endswith("thoughts]")
    e = explain(m, IMAGE, answer="A cat.", regions=4, search="one_shot", show_progress=False)
    assert e.settings["chat_template_kwargs"] == {"enable_thinking": False}


def test_unknown_template_variables_are_refused():
    net, processor = made()
    message = "does not read thinking in chat_template_kwargs: its variables are enable_thinking"
    with pytest.raises(ValueError, match=message):
        load((net, processor), chat_template=THINKING, chat_template_kwargs=dict(thinking=False))
    with pytest.raises(ValueError, match="does not read enable_thinking.*its variables are none"):
        load((net, processor), chat_template_kwargs=dict(enable_thinking=False))
