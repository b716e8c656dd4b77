"""A file is whole or not there."""

import io
import os
import signal
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import filelock
import pytest

from chainrule import files
from chainrule.errors import ChainruleError
from chainrule.files import _sweep, atomic_folder, atomic_path, check_apart, write_text
from chainrule.locks import lock
from children import PYTHON, child, ended, outcome


def test_writes_into_new_folders(tmp_path):
    path = tmp_path / "a" / "b" / "ü.txt"
    write_text(path, "x ∈ ℝ\n")
    assert path.read_bytes() == "x ∈ ℝ\n".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_failing_block_leaves_the_old_file(tmp_path, failure):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(failure), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "x.png"
    path.write_text("old")
    with path.open() as reader:
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
            assert temporary.suffix == ".png"  # writers take the format from it
        assert path.read_text() == "new"
        assert reader.read() == "old"  # the file was exchanged, not written over


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(ChainruleError, match=r"x\.txt: cannot be written \(No space left"), atomic_path(path):
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_places(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")
    (tmp_path / "folder.txt").mkdir()
    for path in (file / "x.txt", file / "deeper" / "x.txt", tmp_path / "folder.txt"):
        with pytest.raises(ChainruleError, match=f"{path.name}: cannot be written"):
            write_text(path, "new")
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.txt"]


def test_the_users_mask_is_respected(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


# --- links, pipes, devices, standard output -----------------------------------------------------------


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near.txt").symlink_to("far/target.txt")
    for text in ("made", "made again"):
        write_text(tmp_path / "near.txt", text)
        assert (tmp_path / "near.txt").is_symlink()
        assert (tmp_path / "far" / "target.txt").read_text() == text
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ChainruleError, match="a: cannot be written"):
        write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    # A writer that replaced the pipe would leave the reader waiting; so it does not wait.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_to():
    ours, theirs = os.openpty()
    try:
        write_text(os.ttyname(theirs), "through")
        assert os.read(ours, 100) == b"through"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("name", ["-", "-.npy"])
def test_standard_output_takes_bytes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    with atomic_path(name) as temporary:
        assert temporary.suffix == name[1:]
        temporary.write_bytes(b"\xff\x00\n")
    assert sys.stdout.buffer.getvalue() == b"\xff\x00\n"
    with pytest.raises(ValueError), atomic_path(name) as temporary:
        temporary.write_bytes(b"half")
        raise ValueError
    assert sys.stdout.buffer.getvalue() == b"\xff\x00\n"
    assert not list(tmp_path.iterdir())


def test_what_a_descriptor_leads_to_is_not_cut(tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("a") as file:
        write_text(f"/dev/fd/{file.fileno()}", "after\n")
    assert path.read_text() == "before\nafter\n"


def test_an_output_that_is_an_input_is_refused(tmp_path):
    path, folder = tmp_path / "x.txt", tmp_path / "folder"
    path.touch()
    folder.mkdir()
    (folder / "inside.txt").touch()
    (tmp_path / "soft.txt").symlink_to(path)
    os.link(path, tmp_path / "hard.txt")
    for same in (path, tmp_path / "soft.txt", tmp_path / "hard.txt", folder / ".." / "x.txt"):
        with pytest.raises(ChainruleError, match="is the input itself"):
            check_apart(same, ["digits", str(path)])
    with pytest.raises(ChainruleError, match="is one of the files in the input"):
        check_apart(folder / "inside.txt", [folder])
    for apart in (tmp_path / "new.txt", folder / "new.txt", "/dev/null", "-"):
        check_apart(apart, [path, folder, "/dev/null", "-", "digits"])


# --- folders ------------------------------------------------------------------------------------------


def test_a_folder_appears_whole(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "a" / "b") as folder:
        (folder / "x").touch()
        raise KeyboardInterrupt
    assert not list((tmp_path / "a").iterdir())
    with atomic_folder(tmp_path / "a" / "b") as folder:
        (folder / "x").touch()
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "x"]
    (tmp_path / "broken").symlink_to("nowhere")
    for taken in (tmp_path / "a", tmp_path / "broken", "-"):
        with pytest.raises(ChainruleError, match="expected a new folder"), atomic_folder(taken):
            pass


# --- what killed processes leave ----------------------------------------------------------------------

KILLED = """
import os, signal, sys
from chainrule.files import atomic_path, atomic_folder
with atomic_path(sys.argv[1] + "/x.txt") as file, atomic_folder(sys.argv[1] + "/folder") as folder:
    file.write_text("half of the n")
    (folder / "x").touch()
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print("ready", flush=True)
    sys.stdin.read()
"""


def temporaries(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith(".chainrule-tmp-"))


def test_temporaries_of_killed_processes_vanish_and_no_others(tmp_path):
    assert ended(KILLED, tmp_path, "killed", program=PYTHON)[0] == -signal.SIGKILL
    dead = temporaries(tmp_path)
    assert len(dead) == 2
    for mine in (dead[0].name[:-1] + "~.txt", f"{dead[0].name.rsplit('-', 2)[0]}-00000000-0123", ".x-1.txt"):
        (tmp_path / mine).touch()  # files of the user, alike as they may be
    with child(KILLED, tmp_path, "live", program=PYTHON) as process:
        assert process.stdout.readline() == "ready\n"  # by then it has removed what it found
        held = [path for path in temporaries(tmp_path) if path.is_dir()]
        assert len(held) == 2 and not set(held) & set(dead)
        _sweep.cache_clear()
        write_text(tmp_path / "y.txt", "")
        assert [path for path in temporaries(tmp_path) if path.is_dir()] == held
        assert outcome(process)[0] == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"x.txt", "folder", "y.txt"} < names and len(names) == 6
    assert (tmp_path / "x.txt").read_text() == "half of the n"


def test_threads_may_write_the_same_file(tmp_path):
    def write(number):
        for _ in range(20):
            _sweep.cache_clear()
            write_text(tmp_path / "x.txt", str(number) * 1000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert (tmp_path / "x.txt").read_text() in {str(number) * 1000 for number in range(4)}
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


# --- locks --------------------------------------------------------------------------------------------


def test_a_lock_is_held_once_and_vanishes(tmp_path):
    path = tmp_path / "lock"
    with lock(path) as first, lock(path) as second, lock(path, patience=0.1) as third:
        assert (first, second, third) == (True, False, False)
    assert not path.exists()
    path.touch()  # of a process that was killed
    with lock(path) as again:
        assert again is True


def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda self: (_ for _ in ()).throw(OSError(95, "no")))
    with lock(tmp_path / "lock") as held:
        assert held is None
    assert "no lock can be had here" in caplog.text
    write_text(tmp_path / "x.txt", "all the same")
    assert (tmp_path / "x.txt").read_text() == "all the same"


def test_an_empty_temporary_without_a_lock_vanishes_and_a_live_process_makes_another(tmp_path, monkeypatch):
    """As a process killed, or halted, before it had its lock leaves it."""
    (tmp_path / f"{files.OURS}0123456789abcdef").mkdir()
    write_text(tmp_path / "x.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    held, tried = files.lock, []

    def late(path, patience=0.0):
        tried.append(path.parent)
        if len(tried) == 1:
            path.parent.rmdir()
        return held(path, patience)

    monkeypatch.setattr(files, "lock", late)
    write_text(tmp_path / "x.txt", "again")
    assert tried and (tmp_path / "x.txt").read_text() == "again"
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
