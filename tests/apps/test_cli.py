"The command line: what it writes, how it ends, and what it says before it loads a model."
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import eagle_nb
from eagle_nb import Explanation, scenes
from eagle_nb.apps import cli
from eagle_nb.runs.runs import read_run

QUICK = ["--regions", "9", "--budget", "36", "--dtype", "float32", "--device", "cpu"]


@pytest.fixture
def loaded(monkeypatch, model):
    "The model of the tests in place of one that is loaded."
    asked = []
    def load(**source):
        asked.append(source)
        return model
    monkeypatch.setattr(eagle_nb, "load", load, raising=False)
    monkeypatch.setattr("eagle_nb.runs.runs.load", load)
    return asked


@pytest.fixture
def image(tmp_path):
    path = tmp_path/"images"/"scene 3.png"
    path.parent.mkdir()
    scenes.sample(3).image.save(path)
    return path


def test_explain_writes_what_is_asked_for(loaded, image, tmp_path, capsys):
    outs = [tmp_path/"out"/f"e{end}" for end in (".html", ".png", ".safetensors")]
    cli.main(["explain", str(image), "Describe the image.", "--target", "giraffe", *QUICK,
              *(a for o in outs for a in ("--out", str(o)))])
    e = Explanation.load(outs[2])
    assert e.target.text.strip() == "giraffe" and len(e.regions) <= 9 and all(o.stat().st_size for o in outs)
    assert "insertion" in capsys.readouterr().out and loaded == [dict(source="scenes-llava", dtype="float32", device="cpu")]


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(loaded, image, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.os, "access", lambda path, mode: path != tmp_path) # root may write anywhere
    with pytest.raises(SystemExit, match="is read-only: name another folder"):
        cli.main(["explain", str(image), "--out", str(tmp_path/"new"/"e.html"), *QUICK])
    assert not loaded


def test_run_goes_on_and_its_exit_code_tells(loaded, image, tmp_path, capsys):
    table = tmp_path/"t.csv"
    pd.DataFrame(dict(image=[str(image)]*2, key=["good", "bad"], target=["giraffe", "unicorn"])).to_csv(table, index=False)
    call = ["run", str(table), "--out", str(tmp_path/"run"), "--json", *QUICK]
    with pytest.raises(SystemExit) as end: cli.main(call)
    said = capsys.readouterr()
    assert end.value.code == 1 and "failed   bad: " in said.err and "1 explanation by" in said.out
    assert [json.loads(line)["key"] for line in said.err.splitlines() if line.startswith("{")] == ["good", "bad"]
    assert list(read_run(tmp_path/"run")) == ["good"]
    cli.main(["run", str(image.parent), "--out", str(tmp_path/"two"), "--part", "1/1", *QUICK])
    assert list(read_run(tmp_path/"two")) == ["scene_3"]


@pytest.mark.parametrize("args, said", [
    (["explain", "none.png"], "eagle-nb explain: no image at 'none.png'"), (["explain", "x.png", "--out", "x.doc"], "--out must end in one of"),
    (["run", "none.csv", "--out", "o"], "eagle-nb run: no file at 'none.csv'"),
    (["run", "t", "--out", "o", "--workers", "0"], "workers must be a whole number"), (["run", "t", "--out", ""], "out is empty"),
    (["run", "t", "--out", "o", "--gpus", "1"], "are for Ray"), (["run", "t", "--out", "o", "--fill", "blak"], "unknown fill"),
    (["run", "nowhere", "--out", "o"], "there is no file or folder 'nowhere'")])
def test_what_cannot_be_done_is_said_in_a_line_before_a_model_is_loaded(loaded, args, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"t").mkdir()
    scenes.sample(0).image.save(tmp_path/"t"/"a.png")
    with pytest.raises(SystemExit, match=said): cli.main(args)
    assert not loaded and [p.name for p in tmp_path.iterdir()] == ["t"]


def test_several_images_and_an_interruption(loaded, image, tmp_path, monkeypatch):
    scenes.sample(4).image.save(image.with_name("b.png"))
    cli.main(["run", str(image), str(image.with_name("b.png")), "--out", str(tmp_path/"run"), *QUICK])
    assert list(read_run(tmp_path/"run")) == ["scene_3", "b"]
    def stop(*args, **kwargs): raise KeyboardInterrupt
    monkeypatch.setattr("eagle_nb.runs.runs.run", stop)
    with pytest.raises(SystemExit, match="eagle-nb run: stopped; the same command goes on"): cli.main(["run", str(image), "--out", "o"])


@pytest.mark.parametrize("args", [[], ["fly"], ["run", "x.csv"], ["run", "x.csv", "--out", "o", "--part", "3/2"]])
def test_wrong_arguments_end_with_2(args, capsys):
    with pytest.raises(SystemExit) as end: cli.main(args)
    assert end.value.code == 2 and "usage: eagle-nb" in capsys.readouterr().err


@pytest.mark.parametrize("command", [*cli.COMMANDS, *cli.PASSED_ON])
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as end: cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0 and said.startswith(f"usage: eagle-nb {command}") and ("--model" in said or command == "doctor")


def test_evaluate_has_workers_and_lines_for_machines(tmp_path, capfd):
    cli.main(["evaluate", "captions", "--n", "2", "--model", "scenes-internvl", "--dtype", "float32", "--device", "cpu", "--regions", "9",
              "--methods", "random", "--metrics", "insertion", "--out", str(tmp_path), "--workers", "2", "--json"])
    said = capfd.readouterr()
    lines = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert len(lines) == 2 and lines[-1]["done"] == 2 and "2 samples with results" in said.out


def test_benchmark_places_a_function_and_goes_on(loaded, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("eagle_nb.evaluation.leaderboard.load", eagle_nb.load)
    (tmp_path/"mine.py").write_text("import numpy as np\ndef mine(model, image, prompt, target, regions): return np.arange(len(regions))")
    call = ["benchmark", f"{tmp_path/'mine.py'}:mine", "--model", "scenes-llava", "--tracks", "words", "--n", "2", "--regions", "9",
            "--against", "random", "--out", str(tmp_path/"out")]
    cli.main(call)
    said = capsys.readouterr().out
    assert "better than mine by" in said and "random" in said and "not compared" not in said and "only methods of this run" in said
    assert loaded == [dict(source="scenes-llava", dtype="bfloat16")] and (tmp_path/"out"/"benchmark.html").stat().st_size
    first = json.loads((tmp_path/"out"/"benchmark.json").read_text())
    cli.main(call)
    assert json.loads((tmp_path/"out"/"benchmark.json").read_text())["samples"] == first["samples"]


def test_benchmark_without_a_method_shows_those_here_and_needs_no_model(loaded, capsys):
    cli.main(["benchmark", "--tracks", "questions", "--model", "scenes-qwen"])
    said = capsys.readouterr().out
    assert "questions: area removed until corrected (lower is better)" in said and "EAGLE" in said and "words:" not in said and not loaded


@pytest.mark.parametrize("args, said", [
    (["none.py:f"], "there is no file 'none.py'"), (["mine.py:f"], "has no function 'f': it has g"), (["mine.py:g"], r"it takes \(image\)"),
    (["mine.py"], "FILE.py:FUNCTION"), (["no_such_module:f"], "there is no module 'no_such_module'"), (["random", "--tracks", "sounds"], "unknown track"),
    (["--model", "other"], "not on other"), (["random", "--workers", "0"], "workers must be")])
def test_what_cannot_be_benchmarked_is_said_before_a_model_is_loaded(loaded, args, said, tmp_path, monkeypatch):
    monkeypatch.setattr("eagle_nb.evaluation.leaderboard.load", eagle_nb.load)
    monkeypatch.chdir(tmp_path)
    (tmp_path/"mine.py").write_text("def g(image): pass")
    with pytest.raises(SystemExit, match=f"eagle-nb benchmark: .*{said}"): cli.main(["benchmark", *args])
    assert not loaded


def test_doctor_ends_with_1_for_a_model_whose_numbers_would_be_wrong(loaded, monkeypatch, model, capsys):
    cli.main(["doctor"])
    assert "self-test: ok" in capsys.readouterr().out
    from dataclasses import replace
    from eagle_nb.core import selftest
    monkeypatch.setattr(selftest, "self_test", lambda m: replace(model.report, errors=("it looks ahead",)))
    with pytest.raises(SystemExit) as end: cli.main(["doctor"])
    assert end.value.code == 1 and "it looks ahead" in capsys.readouterr().out


def test_the_command_is_installed():
    script = Path(sys.executable).with_name("eagle-nb")
    if not script.exists(): pytest.skip("the package is not installed here")
    assert subprocess.run([script, "--version"], capture_output=True, text=True).stdout.strip() == eagle_nb.__version__
