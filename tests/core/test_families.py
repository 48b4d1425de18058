"""Families that people use: probabilities are those of the family's own generation, step by step.

Five of them need torchvision for their processor; EAGLE_NB_TORCHVISION names a folder with one, see torchvision_help."""
import functools

import numpy as np
import pytest
import torch
from conftest import PROMPT

from eagle_nb import scenes
from eagle_nb.core.models import Model
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.selftest import self_test
from eagle_nb.core.targets import Target
from eagle_nb.world import shapes

N = 4  # tokens of an answer
KEEP = torch.tensor([[True]*4, [True, False, False, True], [False]*4])  # whole, two of four regions, blank


@functools.lru_cache(None)
def passed(family):
    "A tiny model that has passed its self-test."
    try: model = Model(*shapes.tiny(family), family)
    except ImportError as e: pytest.skip(str(e))
    except ValueError as e:
        if family != "llama4": raise
        pytest.skip(f"refused when it is loaded: {e}")
    report = self_test(model)
    assert report.ok, str(report)
    return model


@pytest.fixture(params=shapes.FAMILIES)
def m(request): return passed(request.param)


@functools.lru_cache(None)
def image(): return np.asarray(scenes.sample(7).image.resize((97, 64)))  # enough for crops, where a family cuts them


def generated(m, inputs):
    "Greedy ids and their probabilities, from the logits that `generate` reports at every step."
    ids = {getattr(m.model.config, k, None) for k in ("image_token_id", "image_token_index")} - {None}
    x = {name: m.place(v) for name, v in inputs.items()}
    out = m.model.generate(**x, max_new_tokens=N, min_new_tokens=N, do_sample=False, suppress_tokens=sorted(ids),
                           return_dict_in_generate=True, output_logits=True)
    ids = out.sequences[0, -N:].tolist()
    return ids, torch.stack([step[0].float().softmax(-1)[i] for step, i in zip(out.logits, ids)])


def scorer(m, ids, mode, batch_size=3):
    "A scorer of the tokens with the given ids."
    answer = m.read(ids)
    target = Target(tuple(range(N)), tuple(ids), tuple(answer.tokens), tuple(ids), answer.text)
    return ModelScorer(m, image(), PROMPT, target, grid(image(), 2, 2), mode=mode, batch_size=batch_size)


def masked(keep):
    "The image with black regions, by numpy alone."
    shown = keep.numpy().reshape(2, 2).repeat(32, 0)
    rows = np.concatenate([shown[:, :1].repeat(49, 1), shown[:, 1:].repeat(48, 1)], 1)
    return np.where(rows[..., None], image(), 0).astype(np.uint8)


def test_the_tests_mask_what_the_regions_say():
    labels = grid(image(), 2, 2).labels
    for keep in KEEP: assert np.array_equal(masked(keep), np.where(keep.numpy()[labels][..., None], image(), 0))


@pytest.mark.parametrize("row", range(len(KEEP)), ids=("whole", "masked", "blank"))
def test_masked_pixels_have_the_probabilities_of_generation(m, row):
    "The masked image goes through the processor, and the model answers it; every input is its own."
    ids, want = generated(m, m.encode(masked(KEEP[row]), PROMPT))
    torch.testing.assert_close(scorer(m, ids, "pixels")(KEEP)[row], want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ("nearest", "resampled"))
def test_composed_inputs_have_the_probabilities_of_generation(m, mode):
    ids, _ = generated(m, m.encode(image(), PROMPT))
    composed = {k: v.to(m.device) for k, v in scorer(m, ids, mode, 1).variants(KEEP[1:2]).items()}
    ids, want = generated(m, m.encode(image(), PROMPT) | composed)
    torch.testing.assert_close(scorer(m, ids, mode)(KEEP)[1], want, atol=1e-5, rtol=0)


def test_a_batch_is_as_its_images_and_the_image_matters(m):
    ids, _ = generated(m, m.encode(image(), PROMPT))
    p = scorer(m, ids, "nearest")(KEEP)
    for row, keep in zip(p, KEEP):
        torch.testing.assert_close(scorer(m, ids, "nearest", 1)(keep[None])[0], row, atol=1e-5, rtol=0)
    assert (p[0] - p[2]).abs().max() > .02 and (p[0] - p[1]).abs().max() > 1e-3, "otherwise equality says nothing"


def test_composed_and_masked_inputs_agree_but_for_boundaries(m):
    ids, _ = generated(m, m.encode(image(), PROMPT))
    a, b = (scorer(m, ids, mode, 1).variants(KEEP[1:2]) for mode in ("nearest", "pixels"))
    assert a.keys() == b.keys()
    for name in a:
        value_range = a[name].amax() - a[name].amin()
        assert ((a[name] - b[name]).abs() <= .05*value_range).float().mean() > .9, name


def test_images_of_three_sizes_are_answered_as_one_by_one(m):
    images = [image(), np.asarray(scenes.sample(8).image.resize((60, 90))), image()[:64, :64]]
    prompts = [PROMPT, "Where?", "What is in the image, and where?"]
    alone = [m.answer(i, p, max_new_tokens=N).ids for i, p in zip(images, prompts)]
    assert [a.ids for a in m.answers(images, prompts, max_new_tokens=N)] == alone


@pytest.mark.parametrize("family", shapes.FAMILIES)
def test_every_family_has_a_class_of_images_and_text(family):
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING as known
    try: net, processor = shapes.tiny(family)
    except ImportError as e: pytest.skip(str(e))
    assert type(net) is known[type(net.config)]
    assert sum(p.numel() for p in net.parameters()) < 1e6 and len(processor.tokenizer) <= net.config.get_text_config().vocab_size


@pytest.mark.parametrize("family", ("deepseek_ocr2", "step3p7"))
def test_the_second_input_of_an_image_is_masked_with_the_first(family):
    m = passed(family)
    ids, _ = generated(m, m.encode(image(), PROMPT))
    s = scorer(m, ids, "nearest", 1)
    assert set(s.forward.images) == {"pixel_values", "pixel_values_local"}
    blank = m.encode(np.zeros_like(image()), PROMPT)
    for name, v in s.variants(KEEP[2:]).items(): assert torch.allclose(v, m.place(blank[name]), atol=.02), name
