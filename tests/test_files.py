"""A file is whole or not there."""

import os
import stat

import pytest

from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, write_text


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
