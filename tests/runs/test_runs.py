"A data set is explained once, whatever happens meanwhile."
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import eagle_nb
from eagle_nb import Explanation, Sample, explain, run, scenes
from eagle_nb.runs import runs
from eagle_nb.runs.executors import Processes, Ray
from eagle_nb.runs.runs import read_run
from eagle_nb.runs.store import Store

ASK = dict(regions=9, budget=36, show_progress=False)


def samples(n, first=0): return [Sample(f"scene {k}", scenes.sample(k).image, target=0) for k in range(first, first + n)]
def fast_model(): return eagle_nb.load("scenes-internvl", dtype="float32", device="cpu", threads=1)


@pytest.fixture
def folder(tmp_path): return tmp_path/"run"


def digests(found): return found.frame()["digest"].to_dict()


# --- what it finds

def test_a_run_is_a_loop(model, folder):
    data = samples(3)
    found = run(model, data, folder, **ASK)
    assert list(found) == [s.key for s in data] and len(found) == 3 and not found.failures
    for s in data:
        alone = explain(model, s.image, target=0, **ASK)
        assert found[s.key].digest() == alone.digest() == Explanation.load(found.path(s.key)).digest()
    table = pd.read_json(folder/"run.jsonl", lines=True).dropna(subset="key").set_index("key")
    assert table["insertion_auc"].to_dict() == pytest.approx({k: found[k].insertion_auc for k in found}, abs=1e-6)
    assert digests(run(model, data, **ASK)) == digests(found) == digests(read_run(folder))


def test_processes_find_the_same_bit_for_bit(folder, tmp_path):
    data = samples(4)
    one = run(fast_model, data, folder, **ASK)
    two = run(partial(fast_model), data, tmp_path/"two", Processes(2), **ASK)
    assert digests(one) == digests(two) and list(two) == list(one)
    for key in one: assert one[key].token_insertion.tobytes() == two[key].token_insertion.tobytes()


@pytest.mark.parametrize("data", ["list", "path", "folder", "frame", "csv"])
def test_lists_are_welcome(model, tmp_path, data):
    for k in range(2): scenes.sample(k).image.save(tmp_path/f"s{k}.png")
    paths = [tmp_path/f"s{k}.png" for k in range(2)]
    pd.DataFrame(dict(image=[p.name for p in paths])).to_csv(tmp_path/"t.csv", index=False)
    given = dict(list=[Image.open(paths[0]), np.asarray(Image.open(paths[1]))], path=paths[0], folder=tmp_path,
                 frame=pd.DataFrame(dict(image=[str(p) for p in paths])), csv=tmp_path/"t.csv")[data]
    found = run(model, given, **ASK)
    expected = {"list": ["image-0", "image-1"], "path": ["s0"]}.get(data, ["s0", "s1"])
    assert list(found) == expected, found.failures
    first = explain(model, paths[0], **ASK)
    assert found[expected[0]].digest() == first.digest()


def test_explain_names_run_for_a_list(model):
    with pytest.raises(ValueError, match=r"got a list of 2: explain many by eagle_nb.run\(model, images\)"):
        explain(model, [scenes.sample(0).image]*2)


def test_a_sample_that_fails_is_told_and_the_others_go_on(model, folder):
    data = [*samples(1), Sample("lost", "no/such.png"), Sample("odd", scenes.sample(1).image, target="unicorn"), *samples(1, 2)]
    found = run(model, data, folder, **ASK)
    assert list(found) == ["scene 0", "scene 2"] and set(found.failures) == {"lost", "odd"}
    assert "FileNotFoundError" in found.failures["lost"] and "unicorn" in found.failures["odd"]
    with pytest.raises(KeyError, match="has no explanation: .*unicorn"): found["odd"]
    with pytest.raises(KeyError, match="there is no sample 'x'"): found["x"]
    assert "2 explanations by" in repr(found) and "2 without" in repr(found)
    before = (folder/"run.jsonl").stat().st_size
    assert run(model, data, folder, retry_failed=False, **ASK).failures == found.failures
    assert (folder/"run.jsonl").stat().st_size == before
    scenes.sample(5).image.save(folder.parent/"found.png")
    data[1] = Sample("lost", folder.parent/"found.png")
    assert set(run(model, data, folder, **ASK).failures) == {"odd"}


def test_warnings_are_kept_with_their_sample(model, folder):
    found = run(model, [Sample("a", scenes.sample(0).image)], folder, max_new_tokens=2, **ASK)
    assert any("max_new_tokens" in w for w in found.frame()["warnings"]["a"]), found.frame()["warnings"]["a"]


# --- what it refuses, before a model is loaded

def never(): raise AssertionError("the model is loaded")


@pytest.mark.parametrize("more, said", [
    (dict(bugdet=3), "unknown setting 'bugdet'"), (dict(target="cat"), "target is of each sample"), (dict(search="best"), "unknown search"),
    (dict(prompt="What?"), "bring their own prompts"), (dict(callback=print), "unknown setting 'callback'"),
    (dict(show_progress="loud"), "show_progress must be True, False or 'json'")])
def test_bad_settings(more, said, folder):
    with pytest.raises(ValueError, match=said): run(never, samples(1), folder, **{**ASK, **more})
    assert not folder.exists()


def test_bad_data(folder, tmp_path):
    with pytest.raises(ValueError, match="keys of 'samples' must differ, a occur more than once"): run(never, [Sample("a", "x.png"), Sample("a", "y.png")], folder)
    with pytest.raises(ValueError, match="no samples"): run(never, [], folder)
    with pytest.raises(ValueError, match="samples and images in one list"): run(never, [Sample("a", "x.png"), "y.png"], folder)
    assert not folder.exists()


def test_a_folder_of_another_run_is_refused(model, folder, monkeypatch, request):
    run(model, samples(1), folder, **ASK)
    before = (folder/"run.jsonl").read_bytes()
    with pytest.raises(ValueError, match="holds results with fill 'black', this run has 'mean'"):
        run(never, samples(2), folder, fill="mean", **ASK)
    monkeypatch.setattr(runs, "__version__", "99")
    with pytest.raises(ValueError, match="holds results with version .*, this run has '99'"): run(never, samples(2), folder, **ASK)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="holds results with model"): run(fast_model, samples(2), folder, **ASK)
    with pytest.raises(ValueError, match="'scene 0' is not what it was"):
        run(never, [Sample("scene 0", scenes.sample(9).image, target=0)], folder, **ASK)
    assert (folder/"run.jsonl").read_bytes() == before
    assert digests(run("scenes-llava", samples(1), folder, **ASK)) == digests(read_run(folder))  # nothing is missing
    (folder/"run.jsonl").write_text('{"format": 1, "kind": "tables"}\n')
    with pytest.raises(ValueError, match="is no run"): run(never, samples(1), folder, **ASK)


def test_a_complete_run_of_another_model_is_refused_too(model, folder):
    run(model, samples(1), folder, **ASK)
    for other in (fast_model, "scenes-internvl", dict(source="scenes-internvl", dtype="float32")):
        with pytest.raises(ValueError, match="holds results with model 'scenes-llava', this run has 'scenes-internvl'"):
            run(other, samples(1), folder, **ASK)
    with pytest.raises(ValueError): run("no-such-model", samples(1), folder, **ASK)
    with pytest.raises(ValueError, match="holds results with weights"):
        run(partial(eagle_nb.load, "scenes-llava", dtype="bfloat16", device="cpu"), samples(1), folder, **ASK)


def conversation(image): return [dict(role="user", content=[dict(type="image", image=image), dict(type="image"), dict(type="text", text="What?")])]


def test_other_images_of_a_conversation_belong_to_the_sample(tmp_path):
    a = np.zeros((64, 64, 3), np.uint8)
    b = a.copy()
    b[20:40, 20:40] = 255
    asked = lambda image: runs.sample_digest(Sample("c", scenes.sample(0).image, prompt=conversation(image)))
    Image.fromarray(a).save(tmp_path/"a.png")
    assert asked(a) == asked(Image.fromarray(a)) == asked(Image.fromarray(a.copy())) == asked(tmp_path/"a.png") != asked(b)
    Image.fromarray(b).save(tmp_path/"a.png")
    assert asked(tmp_path/"a.png") == asked(b)


def one(scorer, **settings): return eagle_nb.search.search.random_order(scorer, seed=1)
def two(scorer, **settings): return eagle_nb.search.search.random_order(scorer, seed=2)


def test_functions_are_told_by_their_code():
    f, g = (lambda scorer: 1), (lambda scorer: 2)
    around = [lambda scorer, k=k: k for k in (1, 2)] + [(lambda k: lambda scorer: k)(k) for k in (1, 2)]
    assert len({runs.told(h) for h in (one, two, f, g, *around)}) == 8 and runs.told(f) == runs.told(f)
    assert runs.told(partial(one, lam=3)) == runs.told(partial(one, lam=3)) != runs.told(partial(one, lam=4))
    masks = [np.arange(16).reshape(4, 4) < k for k in (4, 8)]
    assert len(str(runs.told(masks))) < 99 and runs.told(masks) != runs.told(masks[::-1])


@pytest.mark.parametrize("key", ["k"*240, "图"*80, "k"*200 + "a", "a\udcff", "CON", "a b\r"])
def test_any_key_has_a_file(model, folder, key):
    found = run(model, [Sample(key, scenes.sample(0).image, target=0), Sample(key + "x", scenes.sample(1).image, target=0)], folder, **ASK)
    again = read_run(folder)
    assert list(found) == list(again) == [key, key + "x"] and found.path(key) != found.path(key + "x")
    assert not np.array_equal(again[key].image, again[key + "x"].image)
    assert len(os.fsencode(found.path(key).name)) < 230


@pytest.mark.parametrize("more, said", [(dict(fill="blak"), "unknown fill 'blak'"), (dict(budget="soon"), "budget"), (dict(mode="x"), "unknown mode"),
                                        (dict(lam=(0, 0)), "lam"), (dict(executor=2), "executor must be Here"), (dict(out=""), "out is empty")])
def test_bad_values_make_no_folder(more, said, folder):
    with pytest.raises(ValueError, match=said): run(never, samples(1), **{**ASK, "out": folder, **more})
    assert not folder.exists()


@pytest.mark.parametrize("data, said", [("no/such", "there is no file or folder"), (__file__, "is neither a table .* nor an image"),
                                        (["x.png", "x.png"], "'x.png' is given 2 times")])
def test_data_that_is_none(data, said):
    with pytest.raises((ValueError, OSError), match=said): run(never, data, **ASK)


def test_keys_of_images_stay_when_there_are_more():
    images = [scenes.sample(0).image]*11
    assert [s.key for s in runs.samples_of(images)][:10] == [s.key for s in runs.samples_of(images[:10])]
    assert [s.key for s in runs.samples_of(np.array(["a.png", "b.png"]))] == ["a", "b"]


@pytest.mark.parametrize("begun", [b"", b'{"format": 1, "kin'])
def test_a_folder_whose_head_was_not_written_is_begun(model, folder, begun):
    folder.mkdir()
    (folder/"run.jsonl").write_bytes(begun)
    assert len(run(model, samples(1), folder, **ASK)) == 1 == len(read_run(folder))


def test_a_run_stays_found_from_another_folder(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(model, samples(1), "here", **ASK)
    (tmp_path/"other").mkdir()
    monkeypatch.chdir(tmp_path/"other")
    assert found["scene 0"].order.shape == (len(found["scene 0"].regions),)


def test_what_another_process_has_written_meanwhile_is_not_computed_again(model, folder):
    data, made = samples(2), []
    def late():
        if not made: made.append(run(model, data, folder, **ASK)) # while this one loads its model
        return model
    run(late, data, folder, **ASK)
    lines = [json.loads(line).get("key") for line in (folder/"run.jsonl").read_text().splitlines()]
    assert Counter(lines)["scene 0"] == 1 == Counter(lines)["scene 1"]


def test_functions_that_others_cannot_import_are_named(tmp_path):
    script = "import eagle_nb\nfrom eagle_nb.runs.executors import Processes\ndef mine(): pass\neagle_nb.run(mine, ['x.png'], None, Processes(1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert "'mine' cannot be sent to other processes (it is defined here): give names" in done.stderr, done.stderr


def test_another_process_writes(model, folder):
    run(model, samples(1), folder, **ASK)
    head = read_run(folder).store.head
    with Store(folder/"run.jsonl", head), pytest.raises(ValueError, match="another process is writing"):
        run(model, samples(2), folder, **ASK)


def test_a_loaded_model_that_cannot_be_sent(model, folder):
    class Local(type(model)): pass
    model_here = object.__new__(Local)
    model_here.__dict__.update(model.__dict__)
    with pytest.raises(ValueError, match="this cannot be sent to other processes .*: give names, folders"):
        run(model_here, samples(1), folder, Processes(1), **ASK)


# --- what is damaged

def test_damaged_files_and_lines_are_named_and_computed_again(model, folder):
    data = samples(4)
    found = run(model, data, folder, **ASK)
    before = digests(found)
    a, b = found.path("scene 0"), found.path("scene 1")
    a.write_bytes(a.read_bytes()[:50])
    b.unlink()
    lines = (folder/"run.jsonl").read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"scene 2"' in line)
    lines[at] = lines[at].replace(b'"forwards": ', b'"forwards": 1')
    (folder/"run.jsonl").write_bytes(b"".join(lines)[:-5])
    with pytest.raises(ValueError, match="is damaged: run again"): found["scene 0"]
    with pytest.raises(ValueError, match="is gone: run again"): found["scene 1"]
    with pytest.warns(UserWarning) as heard: again = run(model, data, folder, **ASK)
    said = "\n".join(str(w.message) for w in heard)
    assert "scene 0.safetensors' is damaged" in said and "scene 1.safetensors' is gone" in said and f"damaged lines {at + 1}" in said
    assert digests(again) == before == {k: again[k].digest() for k in again}


class Disk:
    "Files can be written until the disk is full."
    def __init__(self, monkeypatch, room):
        self.room, self.write = room, runs.write_whole
        monkeypatch.setattr(runs, "write_whole", self)

    def __call__(self, path, data):
        if not self.room: raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        self.write(path, data)


def test_a_full_disk_loses_nothing(model, folder, monkeypatch):
    data = samples(4)
    disk = Disk(monkeypatch, 2)
    with pytest.raises(OSError, match="cannot be written .*No space left.*make room, then go on"): run(model, data, folder, **ASK)
    assert list(read_run(folder)) == ["scene 0", "scene 1"]
    disk.room = 9
    found = run(model, data, folder, **ASK)
    assert disk.room == 7 and list(found) == [s.key for s in data]
    assert Counter(p.suffix for p in folder.rglob("*.*")) == {".safetensors": 4, ".jsonl": 1}


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path/"file").write_text("")
    with pytest.raises(OSError): run(fast_model, samples(1), tmp_path/"file"/"run", **ASK)


def test_interrupted_and_gone_on_with(model, folder, monkeypatch):
    data, put, made = samples(4), runs.RunStore.put, []
    def once(self, key, line, blob):
        put(self, key, line, blob)
        made.append(key)
        if len(made) == 2: raise KeyboardInterrupt
    monkeypatch.setattr(runs.RunStore, "put", once)
    with pytest.raises(KeyboardInterrupt): run(model, data, folder, **ASK)
    assert list(read_run(folder)) == ["scene 0", "scene 1"]
    run(model, data, folder, **ASK)
    assert made == [s.key for s in data]


def test_lines_for_machines(model, capfd):
    run(model, [*samples(1), Sample("lost", "no.png")], **{**ASK, "show_progress": "json"})
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [(x["done"], x["total"], x["failed"], x["key"]) for x in lines] == [(1, 2, 0, "scene 0"), (2, 2, 1, "lost")]


# --- killed

DRIVER = """
import sys
sys.path.insert(0, {tests!r})
from test_runs import ASK, Processes, Ray, fast_model, run, samples
if __name__ == "__main__":
    found = run(fast_model, samples({n}), {folder!r}, {executor}, **{{**ASK, "show_progress": "json"}})
    print(len(found), flush=True)
"""


def processes(parent):
    "All that descend from a process."
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try: pid, ppid = int(stat.parent.name), int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError): continue
        if ppid == parent: found += [pid, *processes(pid)]
    return found


def killed_run(folder, n, executor, kills, seed=0):
    "Start a run again and again, and kill its driver or one of its workers at random moments; how often each sample was computed."
    rng, computed = random.Random(seed), []
    script = DRIVER.format(tests=str(Path(__file__).parent), n=n, folder=str(folder), executor=executor)
    while True:
        p = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        of_driver, wait = rng.random() < .5, rng.randrange(1, 5) # samples until something is killed
        for line in p.stderr:
            if not line.startswith("{"): continue
            said = json.loads(line)
            if said["error"] is None: computed.append(said["key"]) # a task whose process was killed twice waits for the next start
            wait -= 1
            if wait or not kills: continue
            time.sleep(rng.random()*.3)
            kills, wait = kills - 1, rng.randrange(1, 5)
            workers = [w for w in processes(p.pid) if b"spawn_main" in Path(f"/proc/{w}/cmdline").read_bytes()]
            victim = p.pid if of_driver or not workers else rng.choice(workers)
            try: os.kill(victim, signal.SIGKILL)
            except ProcessLookupError: continue
            if victim == p.pid: break
        for pipe in (p.stdout, p.stderr): pipe.read()
        if p.wait() == 0: return computed


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("n, kills", [(8, 3), (300, 100)])
def test_killed_at_random_moments(folder, n, kills):
    computed = killed_run(folder, n, "Processes(2)", kills)
    found = read_run(folder)
    assert sorted(found) == sorted(s.key for s in samples(n)) and not found.failures
    lines = [json.loads(line) for line in (folder/"run.jsonl").read_text().splitlines()[1:]]
    assert Counter(line["key"] for line in lines if "error" not in line) == {k: 1 for k in found}, "nothing twice"
    assert Counter(computed).keys() <= set(found) and max(Counter(computed).values()) == 1
    assert not list(folder.rglob("*.part"))
    some = random.Random(1).sample(samples(n), 4)
    alone = run(fast_model, some, **ASK)
    assert digests(alone) == {s.key: found[s.key].digest() for s in some}


def test_ray_finds_the_same(folder, tmp_path):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    data = samples(4)
    found = run(fast_model, data, folder, Ray(2), **ASK)
    assert digests(found) == digests(run(fast_model, data, **ASK))
    assert not found.failures
