"The file of results: begun once, cut off anywhere, and never mixed."
import errno
import json
import time

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


def full_disk(held, after):
    "From here on, only so many bytes fit."
    class Full:
        room = after
        def __init__(self, file): self.file = file
        def write(self, data):
            if not self.room: raise OSError(errno.ENOSPC, "No space left on device")
            n = self.file.write(data[:self.room])
            self.room -= n
            return n
        def __getattr__(self, name): return getattr(self.file, name)
    held.file = Full(held.file)


@pytest.mark.parametrize("room", (0, 1, 40))
def test_a_full_disk_leaves_whole_lines(tmp_path, room):
    path = tmp_path/"r.jsonl"
    held = store.Store(path, HEAD)
    held.add(key="a", iou=.5)
    before, file = path.read_bytes(), held.file
    full_disk(held, room)
    with pytest.raises(OSError, match="No space left.*what it holds is whole; make room"): held.add(key="b", iou=.5)
    assert path.read_bytes() == before and list(held.known) == ["a"]
    held.file = file
    held.add(key="b", iou=.25)
    held.close()
    assert store.Store.read(path).records == dict(a=dict(iou=.5), b=dict(iou=.25))


def test_every_byte_that_changes_is_noticed(tmp_path):
    path = tmp_path/"r.jsonl"
    with store.Store(path, HEAD) as held:
        for k in "ab": held.add(key=k, iou=.5)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for at in range(first, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        with pytest.warns(UserWarning, match="left out damaged line"): found = store.Store.read(path, forgive=True)
        assert found.records.items() <= dict(a=dict(iou=.5), b=dict(iou=.5)).items() and len(found.known) < 2, at
        with pytest.raises(ValueError, match=r"line \d of .* is damaged"): store.Store.read(path)


def test_a_file_from_before_checksums_is_read_and_gone_on_with(tmp_path):
    path = tmp_path/"r.jsonl"
    path.write_text(json.dumps(HEAD) + "\n" + json.dumps(dict(key="a", iou=.5)) + "\n")
    with store.Store(path, HEAD) as held: held.add(key="b", iou=.5)
    assert store.Store.read(path).records == dict(a=dict(iou=.5), b=dict(iou=.5))


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    def none(*args): raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match="cannot be locked here"), store.Store(tmp_path/"r.jsonl", HEAD) as held: held.add(key="a")


def test_100_000_records_open_in_a_second_and_grow_in_constant_time(tmp_path):
    path = tmp_path/"r.jsonl"
    row = dict(sample="0123456789ab", file="3f/x.safetensors", sha256="0"*64, forwards=1154, seconds=9.5, insertion_auc=.8,
               deletion_auc=.2, error=None)
    with store.Store(path, HEAD) as held: held.add(key="0", **row)
    lines = b"".join(store.to_line(dict(key=str(k), **row)) for k in range(1, 100_000))
    with path.open("ab") as f: f.write(lines)
    start = time.perf_counter()
    with store.Store(path, HEAD) as held:
        opened = time.perf_counter() - start
        times = []
        for k in range(300):
            start = time.perf_counter()
            held.add(key=f"new {k}", **row)
            times.append(time.perf_counter() - start)
    print(f"100 000 records: {opened:.2f} s to open, {1e6*np.median(times):.0f} µs to add one")
    assert opened < 5 and np.median(times) < .005, "a second, and a fifth of a millisecond, on a machine that does nothing else"
