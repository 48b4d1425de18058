"The file of results: begun once, cut off anywhere, and never mixed."
import json

import numpy as np
import pytest

from eagle_nb.evaluation.results import read_results
from eagle_nb.runs import store

HEAD = dict(format=1, model="m", data="d")


def test_two_that_begin_together(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    path, first = tmp_path/"r.jsonl", []
    lock = store.lock_file
    def slow(file, at):
        monkeypatch.setattr(store, "lock_file", lock)
        first.append(store.Store(path, HEAD))  # another is faster
        first[0].add(key="k", method="random", iou=.5)
        lock(file, at)
    monkeypatch.setattr(store, "lock_file", slow)
    with pytest.raises(ValueError, match="another process is writing"): store.Store(path, HEAD)
    first[0].close()
    assert len(read_results(path).frame) == 1


@pytest.mark.parametrize("cut", (1, 2, 30))
def test_cut_anywhere(tmp_path, cut):
    path = tmp_path/"r.jsonl"
    held = store.Store(path, HEAD)
    for k in "ab": held.add(key=k, method="random", iou=.5)
    held.close()
    path.write_bytes(path.read_bytes()[:-cut])
    held = store.Store(path, HEAD)
    assert [r["key"] for r in held.rows] == ["a", "b"][:1 + (cut == 1)]
    held.add(key="c", method="random", iou=.5)
    held.close()
    assert read_results(path).frame["key"].tolist() == (["a", "b", "c"] if cut == 1 else ["a", "c"])


def test_a_session_is_written_with_the_first_new_record(tmp_path):
    "To open a file on another machine leaves it as it is; what is added says where it was made."
    path = tmp_path/"r.jsonl"
    begin = lambda machine: store.Store(path, dict(HEAD, machine=machine), may_change=("machine",))
    with begin("one") as held: held.add(key="a")
    before = path.read_bytes()
    with begin("two") as held: assert held.about["machine"] == "two"
    assert path.read_bytes() == before and store.Store.read(path).about["machine"] == "one"
    with begin("two") as held:
        for k in "bc": held.add(key=k)
    assert [json.loads(line).get("session") for line in path.read_text().splitlines()].count({"machine": "two"}) == 1
    assert store.Store.read(path).about == dict(model="m", data="d", machine="two")


def test_records_have_the_key_that_was_asked_for(tmp_path):
    path = tmp_path/"r.jsonl"
    with store.Store(path, HEAD, by=("key", "method")) as held:
        for method in ("x", "y"): held.add(key="a", method=method, order=np.arange(2))
    assert store.Store.read(path, by=("key", "method")).records == {("a", m): {"order": [0, 1]} for m in ("x", "y")}
    assert list(store.Store.read(path).records) == ["a"]


def test_settings_that_may_not_change_are_refused(tmp_path):
    path = tmp_path/"r.jsonl"
    store.Store(path, HEAD).close()
    for head in (dict(HEAD, model="n"), dict(HEAD, extra=1), dict(format=1, model="m")):
        with pytest.raises(ValueError, match="choose another folder, or the same settings"): store.Store(path, head)
    store.Store(path, HEAD).close()  # the refused ones let go of the file
