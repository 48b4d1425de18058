"The demo: it writes its files, says where the time goes, and ends in a sentence where it cannot go on."
import re
import time

import pytest

from eagle_nb.apps import demo
from eagle_nb.core.costs import clock


def test_seconds_are_counted_by_part_and_scoring_apart():
    told = []
    watch = demo.Stopwatch(told.append)
    with watch("loading", "loading a model"): time.sleep(.02)
    for _ in range(2):
        with watch("search"):
            time.sleep(.01)
            clock["scoring"] += .004
    assert told == ["loading a model ..."] and list(watch.seconds) == ["loading", "scoring", "thinking"]
    assert watch.seconds["scoring"] == pytest.approx(.008) and watch.seconds["thinking"] > .011
    assert re.fullmatch(r"loading 0\.\d s, scoring 0\.0 s, thinking 0\.\d s; 0\.\d s in all", str(watch))


def run(capsys, folder, *options):
    demo.main(["--folder", str(folder), "--regions", "9", *options])
    return capsys.readouterr().out


def test_the_parts_make_the_whole_and_the_files_are_there(capsys, tmp_path):
    start = time.perf_counter()
    out = run(capsys, tmp_path, "--dtype", "float32")
    took = time.perf_counter() - start
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo.html", "demo.png", "demo_word.png"]
    found = re.search(r"time +loading ([\d.]+) s, answer ([\d.]+) s, scoring ([\d.]+) s, thinking ([\d.]+) s, "
                      r"drawing ([\d.]+) s; ([\d.]+) s in all", out)
    *parts, total = map(float, found.groups())
    assert sum(parts) == pytest.approx(total, abs=.3) and .7*took < total < took + .1 and parts[2] > 0
    assert "search         fast, 9 regions ranked" in out and "float32 on cpu" in out


@pytest.fixture
def loaded(monkeypatch, model):
    "The model is there already; choosing its precision and its threads takes longer than the rest of the demo."
    monkeypatch.setattr(demo, "load", lambda *names, **options: model)


@pytest.mark.parametrize("search", ["exact", "one_shot"])
def test_other_searches_explain_the_word_on_their_own(capsys, tmp_path, loaded, search):
    out = run(capsys, tmp_path, "--search", search, "--target", "a cake" if search == "exact" else "cake")
    assert f"search         {search}" in out and "cake: insertion AUC" in out


def test_a_target_of_two_words_is_explained_by_the_default_search_too(capsys, tmp_path, loaded):
    assert "a cake: insertion AUC" in run(capsys, tmp_path, "--target", "a cake")


def refused(folder, options, message):
    with pytest.raises(SystemExit, match="^demo: ") as e: demo.main(["--folder", str(folder), *options])
    assert message in str(e.value)


@pytest.mark.parametrize("options,message", [
    (["--image", "/no/such.png"], "such.png"), (["--target", "giraffe"], "giraffe"), (["--regions", "0"], "at least 1"),
    (["--prompt", "<image>"], "stands for the image")])
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, loaded, options, message): refused(tmp_path, options, message)


@pytest.mark.parametrize("options,message", [(["--model", "scenes-lava"], "unknown model"), (["--dtype", "int8"], "choose one of auto")])
def test_what_cannot_be_loaded_is_said_in_a_sentence(tmp_path, options, message): refused(tmp_path, options, message)


def test_the_help_names_every_search(capsys):
    with pytest.raises(SystemExit): demo.main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in demo.SEARCHES) and "fast" in demo.SEARCHES


def test_an_unknown_search_lists_the_searches(capsys):
    with pytest.raises(SystemExit): demo.main(["--search", "greedy"])
    assert "bidirectional" in capsys.readouterr().err
