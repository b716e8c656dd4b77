"""Ordinary machines: folders and disks that cannot be written, streams of any kind, signals, launchers' variables."""

import io
import os
import signal
import sys
import zlib

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.streams import ready_streams
from chainrule.data.readers.sound import write_sound
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, scratch
from chainrule.models.store import save_weights
from chainrule.training.checkpoint import SafetensorsIO
from children import PROGRAM, PYTHON, appears, child, ended, outcome

NOWHERE = "/proc/nonexistent"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux")


def behind(shell):
    """The program with something behind it on a shell's line."""
    return ("bash", "-o", "pipefail", "-c", f'"$0" "$@" {shell}', *PROGRAM)


def train(out, *options):
    return ("train", "causal-conv1d", "--data", "digits", "--set", "channels=8", "--device", "cpu", "--out",
            out, *options)  # fmt: skip


# --- places that cannot be written ------------------------------------------------------------------------


@linux
def test_training_needs_no_home(tmp_path):
    nowhere = [f"{name}={NOWHERE}" for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")]
    status, _, said = ended(*train(tmp_path / "run", "--epochs", "1"), program=("env", *nowhere, *PROGRAM))
    assert status == 0, said
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two empty folders for the compiled loop, which is compiled at once."""
    machine = pytest.importorskip("chainrule.engine.native.machine")
    folders = [tmp_path / "first", tmp_path / "second"]
    code, name = machine._unpacked(machine.load() and machine._kept())
    monkeypatch.setattr(machine, "places", lambda: iter(folders))
    made = []
    data = zlib.crc32(name.encode() + b"\n" + code).to_bytes(4, "little") + name.encode() + b"\n" + code
    monkeypatch.setattr(machine, "_compiled", lambda: made.append(1) or data)
    return machine, folders, made


def test_the_loop_is_compiled_once_and_kept(places):
    machine, (first, second), made = places
    assert not machine.find() and machine.keep() == machine.find() == first / machine._name()
    assert machine.keep() and machine._kept() and made == [1]
    assert not second.exists() and [path.name for path in first.iterdir()] == [machine._name()]


def test_a_damaged_loop_is_compiled_again(places):
    machine, _, made = places
    path = machine.keep()
    for damage in (path.read_bytes()[:-9], b"", b"\0" + path.read_bytes()[1:]):
        path.write_bytes(damage)
        assert machine._kept() is None and not path.exists()
        assert machine._made() == machine._compiled()
    assert len(made) >= 4


def test_the_loop_is_kept_where_it_can_be(places, tmp_path):
    machine, folders, _ = places
    (tmp_path / "first").write_text("no folder")
    assert machine.keep().parent == folders[1]
    machine.find().unlink()
    folders[1].rmdir()
    folders[1].write_text("neither")
    assert machine.keep() is None and machine._made() == machine._compiled()  # in memory


@linux
def test_a_private_folder_is_ours_alone(tmp_path):
    machine = pytest.importorskip("chainrule.engine.native.machine")
    own, open_to_all, link = tmp_path / "own", tmp_path / "open", tmp_path / "link"
    own.mkdir(mode=0o700)
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link.symlink_to(own)
    assert [machine._private(path) for path in (tmp_path / "none", own, open_to_all, link)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_another_process_compiles_once(places, monkeypatch):
    machine, _, _ = places
    begun = []
    monkeypatch.setattr(machine, "_compiler", [])
    monkeypatch.setattr(machine.subprocess, "Popen", lambda command, **options: begun.append(command))
    machine.compile_soon()
    machine.compile_soon()
    assert len(begun) == 1 and begun[0][-1] == machine.BACKGROUND
    machine._compiler.clear()
    machine.keep()
    machine.compile_soon()
    assert len(begun) == 1


@pytest.fixture
def small_disk():
    """No file of this process may grow over 20,000 bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def _weights(path):
    save_weights(torch.nn.Linear(100, 100).state_dict(), path)


def _checkpoint(path):
    SafetensorsIO().save_checkpoint({"a": torch.zeros(10_000)}, path)


def _sound(path):
    noise = np.random.default_rng(0).integers(-9000, 9000, 40_000).astype(np.int16)
    with atomic_path(path) as temporary:
        write_sound(temporary, noise, 8000, path.suffix)


@pytest.mark.parametrize(
    ("write", "name"),
    [(_weights, "a.safetensors"), (_checkpoint, "a.safetensors"), (_sound, "a.wav"), (_sound, "a.flac")],
)
def test_a_full_disk_leaves_the_old_file(write, name, tmp_path, small_disk):
    path = tmp_path / name
    path.write_bytes(b"old")
    with pytest.raises(ChainruleError, match=f"{name}: cannot be written"):
        write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- streams ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "command", [["models"], ["train", "--help"], ["evaluate", "ä≤\u202e"], ["data", "ä≤"]]
)
def test_any_encoding(command, encoding, monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    status = main(command)
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert status == (1 if "ä" in command[-1] else 0)
    assert "Traceback" not in err and "unexpected" not in err
    if status:
        assert err.startswith("error: ") and ("\\u202e" in err) == ("\u202e" in command[-1])
        assert ("<=" in err) == (encoding != "utf-8")
    else:
        assert "causal-conv1d" in out


@pytest.mark.parametrize(
    ("shell", "status", "said"),
    [
        (">&-", 1, "error: standard output cannot be written (it is closed; give it a place"),
        ("> /dev/full", 1, "error: standard output cannot be written (No space left on device)"),
        ("| (exec 0<&-; sleep 0.1)", 141, ""),
        ("2>&- <&-", 0, ""),
    ],
)
def test_closed_full_and_broken_output(shell, status, said):
    code, _, told = ended("models", program=behind(shell))
    assert code == status
    assert told.startswith(said) and told.count("\n") == bool(said)


def test_a_file_does_not_take_the_place_of_a_closed_stream(tmp_path):
    """Else what is printed lands in the first file that is opened."""
    status, _, said = ended(*train(tmp_path / "run", "--epochs", "1"), program=behind(">&-"))
    assert status == 1 and "standard output cannot be written (it is closed" in said
    assert cr.load(tmp_path / "run").domain.size == 64  # and all of it is there
    assert (tmp_path / "run" / "report.html").is_file()


def test_arguments_that_are_no_text(capsys):
    assert main(["data", os.fsdecode(b"caf\xe9.txt")]) == 1
    said = capsys.readouterr().err
    assert (
        said.startswith("error: 'caf\\udce9.txt': expected UTF-8; rename the file") and said.count("\n") == 1
    )


def test_streams_of_tests_and_notebooks_are_left_alone(capsys):
    before = sys.stdout
    ready_streams()
    assert sys.stdout is before


# --- signals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("when", ["config.yaml", "metrics.csv"])
def test_a_signal_leaves_a_usable_run(when, number, status, tmp_path):
    run = tmp_path / "run"
    with child(*train(run, "--epochs", "5000")) as process:
        assert appears(run / when, process)
        process.send_signal(number)
        code, _, said = outcome(process)
    assert code == status, said
    assert "Traceback" not in said and "unexpected" not in said
    assert not list(run.rglob(".*-*"))
    if (run / "model.safetensors").exists():  # else it was stopped before the model was there to keep
        assert "can be used as it is, or resumed" in said
        nats = cr.load(run).log_prob(cr.load_data("digits").valid).mean()
        assert nats.isfinite() and (when == "config.yaml" or nats > -181)
    else:
        assert when == "config.yaml"
    with scratch(run):  # what may be left of a file under way vanishes with the next one
        assert len([path for path in run.iterdir() if ".chainrule-" in path.name]) == 1


def test_sigterm_as_lightning_answers_it(tmp_path):
    """From Python, where the library has no handler of its own."""
    code = (
        "import os, signal, sys, threading, chainrule as cr\n"
        "data = cr.load_data('digits'); out = sys.argv[1]\n"
        "model = cr.create_model('causal-conv1d', data.domain, channels=8)\n"
        "from chainrule.training.module import Likelihood\n"
        "step = Likelihood.training_step\n"
        "def stopping(self, *a): os.kill(os.getpid(), signal.SIGTERM); return step(self, *a)\n"
        "Likelihood.training_step = stopping\n"
        "cr.fit(model, data, out=out, device='cpu', epochs=9, progress=False)\n"
    )
    assert ended(code, tmp_path / "run", program=PYTHON)[0] == 143
    assert cr.load(tmp_path / "run").domain.size == 64


def test_sigterm_is_ours_only_while_a_command_runs():
    before = signal.getsignal(signal.SIGTERM)
    assert main(["models", "--json"]) == 0
    assert signal.getsignal(signal.SIGTERM) == before


# --- launchers --------------------------------------------------------------------------------------------

LAUNCHERS = {
    "slurm, a part": {"SLURM_NTASKS": "2"},
    "slurm": {"SLURM_NTASKS": "2", "SLURM_JOB_ID": "5", "SLURM_PROCID": "1", "SLURM_LOCALID": "1",
              "SLURM_NODEID": "0", "SLURM_JOB_NAME": "train", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1"},
    "torchrun": {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2",
                 "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29999", "TORCHELASTIC_RUN_ID": "x"},
    "mpi": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "PMI_SIZE": "2", "PMI_RANK": "1"},
}  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("alone") / "run"
    data = cr.load_data("digits")
    model = cr.create_model("causal-conv1d", data.domain, channels=8)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    cr.fit(model, data, out=out, device="cpu", epochs=1, progress=False)
    return data, first, (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_one_process_whatever_a_launcher_says(launcher, alone, tmp_path, monkeypatch):
    for name, value in LAUNCHERS[launcher].items():
        monkeypatch.setenv(name, value)
    data, first, expected = alone
    model = cr.create_model("causal-conv1d", data.domain, channels=8)
    model.load_state_dict(first)
    asked = 1 if launcher == "torchrun" else None  # which means to start several, unless one is asked for
    cr.fit(model, data, out=tmp_path / "run", device="cpu", devices=asked, epochs=1, progress=False)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == expected
