"Files: written whole or not at all."
import os

import pytest

from eagle_nb.core.files import command, write_whole


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path/"a.json"
    for data in (b"first", b"second, longer", b""):
        write_whole(path, data)
        assert path.read_bytes() == data


def test_missing_folders_are_made(tmp_path):
    write_whole(tmp_path/"new"/"deep"/"a.bin", b"\x00\xff")
    assert (tmp_path/"new"/"deep"/"a.bin").read_bytes() == b"\x00\xff"


def test_nothing_else_is_left_in_the_folder(tmp_path):
    write_whole(tmp_path/"a.json", b"1")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_before_the_end_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path/"a.json"
    write_whole(path, b"old")
    def stop(*args): raise KeyboardInterrupt
    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt): write_whole(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_file_left_by_a_failure_does_not_hinder_the_next(tmp_path):
    (tmp_path/"a.json.part").write_bytes(b"half of someth")
    write_whole(tmp_path/"a.json", b"whole")
    assert (tmp_path/"a.json").read_bytes() == b"whole"


def test_two_writers_of_one_file_do_not_mix(tmp_path, monkeypatch):
    path, replace, parts = tmp_path/"a.json", os.replace, []
    def slow(part, at):
        parts.append(part)
        if len(parts) == 1: write_whole(path, b"the other writer's")  # between the first writer's bytes and its renaming
        replace(part, at)
    monkeypatch.setattr(os, "replace", slow)
    write_whole(path, b"the first writer's")
    assert parts[0] != parts[1] and path.read_bytes() == b"the first writer's"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("error", [ValueError("choose one of a, b"), FileNotFoundError(2, "No such file", "x.csv"), ImportError("pip install x")])
def test_a_command_ends_with_its_reason(error):
    with pytest.raises(SystemExit) as e:
        with command("runner"): raise error
    assert str(e.value) == f"runner: {error}"


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        with command("runner"): 1/0
