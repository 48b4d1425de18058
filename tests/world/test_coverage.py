"Coverage: the table names every type, says why one does not run, and its rows can be had again."
import json
from pathlib import Path

import pytest
import torch

from eagle_nb.world import coverage, shapes

FILE = Path(__file__).resolve().parents[2]/"figures/results/families.json"


def table(): return coverage.coverage(FILE)


def test_every_type_of_transformers_has_a_row():
    import transformers
    if json.loads(FILE.read_text(encoding="utf-8"))["versions"]["transformers"] != transformers.__version__:
        pytest.skip("the table holds for another version of transformers")
    assert set(table().index) == set(coverage.image_text_types())
    assert table().model.to_dict() == coverage.image_text_types()


def test_what_runs_has_numbers_and_what_does_not_has_a_reason():
    t = table()
    runs = t.status == "runs"
    assert runs.sum() >= 24 and (t[runs].generate < 2e-5).all() and (t[runs].causality < 2e-5).all() and (t[runs].image > 1e-3).all()
    assert (t[~runs].reason.str.len() > 10).all() and t[~runs].generate.isna().all()
    assert t[runs].inputs.map(lambda names: "pixel_values" in names).all()
    assert set(t.loc["deepseek_ocr2", "inputs"]) == {"pixel_values", "pixel_values_local"}


@pytest.mark.parametrize("kind", ("llava", "qwen3_5", "vipllava", "idefics2", "video_llava", "chameleon", "instructblipvideo"))
def test_a_row_can_be_had_again(kind):
    found, row = coverage.attempt(kind), table().loc[kind]
    assert found["status"] == row.status
    if row.status == "runs": assert found["generate"] < 2e-5 and abs(found["image"] - row.image) < .01


def test_a_type_without_a_processor_is_untested_and_says_so():
    found = coverage.attempt("instructblipvideo")
    assert found == dict(status="untested", reason="transformers names no processor of images for it")


def test_a_model_that_does_not_look_at_the_image_is_untested(monkeypatch):
    net, processor = coverage.generic("vipllava")
    with torch.no_grad(): net.model.multi_modal_projector.linear_2.weight.zero_()
    monkeypatch.setattr(coverage, "_tiny", lambda kind: (net, processor, "generic"))
    assert coverage.attempt("vipllava") == dict(status="untested", reason="the tiny model does not look at the image")


def test_a_small_config_fits_its_tokenizer():
    net, processor = coverage.generic("vipllava")
    assert net.config.text_config.vocab_size == len(processor.tokenizer)
    assert net.config.image_token_id == processor.tokenizer.convert_tokens_to_ids("<image>")
    assert sum(p.numel() for p in net.parameters()) < 1e6 and "vipllava" not in shapes.FAMILIES
