"""Checkpoints and configurations made to harm, to deceive, or simply broken."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lewm_probe.models.checkpoints.load import load_model

from .conftest import CANARY, Hostile, marker

GOLDEN = Path(__file__).parents[1] / "golden" / "lewm-tiny"
ENTRY = "weights"

Build = Callable[[Path], Path]

RUN_CODE = (
    r".*{name} is more than a table of tensors: its pickle asks for .*never does\. Only if .*"
)
DAMAGED = r".*{name} is not a whole checkpoint of torch\.save: .* Copy or download it again\."
DECEIVES = r".*(made to deceive|may unpack to far more|do not trust this file).*"
NOT_A_ZIP = r".*{name} is no zip archive, .*is not read here\. Where the file is trusted, .*"
TENSORS = r"(The tensor|The tensors) .*{name} .* Give the config\.json that was saved with .*"


def load(path: Path) -> object:
    return load_model(path, action_stats="identity")


# ---- builders


def folder_with(folder: Path, name: str = "weights.pt") -> Path:
    """The golden checkpoint's folder; returns where its weights lie."""
    shutil.copy(GOLDEN / "config.json", folder / "config.json")
    shutil.copy(GOLDEN / "weights.pt", folder / name)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder / name


def state() -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(GOLDEN / "weights.pt", weights_only=True)
    return loaded


def saved(change: Callable[[dict[str, Any]], Any]) -> Build:
    """The golden weights, changed and saved anew; ``change`` may return another object."""

    def build(folder: Path) -> Path:
        path = folder_with(folder)
        tensors: dict[str, Any] = dict(state())
        other = change(tensors)
        torch.save(tensors if other is None else other, path)
        return path

    return build


def archive(pickled: bytes | Callable[[Path], bytes], **entries: bytes) -> Build:
    """A zip archive of torch.save's layout around any pickle."""

    def build(folder: Path) -> Path:
        path = folder_with(folder)
        data = pickled if isinstance(pickled, bytes) else pickled(folder)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{ENTRY}/data.pkl", data)
            file.writestr(f"{ENTRY}/byteorder", "little")
            file.writestr(f"{ENTRY}/version", "3\n")
            for name, content in entries.items():
                file.writestr(f"{ENTRY}/data/{name.removeprefix('_')}", content)
        return path

    return build


def rezipped(change: Callable[[str, bytes], list[tuple[str, bytes]]], **how: Any) -> Build:
    """The golden archive with other entries in place of some."""

    def build(folder: Path) -> Path:
        path = folder_with(folder)
        with zipfile.ZipFile(GOLDEN / "weights.pt") as old:
            entries = [(i.filename, old.read(i)) for i in old.infolist()]
        with zipfile.ZipFile(path, "w", **how) as new:
            for name, content in entries:
                for other, data in change(name, content):
                    new.writestr(other, data)
        return path

    return build


def cut(share: float | int, suffix: str = ".pt") -> Build:
    """The golden weights cut after a share of their bytes, or before the last few."""

    def build(folder: Path) -> Path:
        path = folder_with(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)] if 0 <= share < 1 else data[: int(share)])
        return path

    return build


def configured(change: Callable[[dict[str, Any]], Any]) -> Build:
    """The golden folder with another config.json; ``change`` may return the text itself."""

    def build(folder: Path) -> Path:
        folder_with(folder)
        tree = json.loads((GOLDEN / "config.json").read_text())
        other = change(tree)
        text = other if isinstance(other, str) else json.dumps(tree)
        (folder / "config.json").write_text(text, encoding="utf-8")
        return folder / "config.json"

    return build


def load_folder(config: Path) -> object:
    return load(config.parent)


class Gadget:
    """Pickles into a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def touch(folder: Path) -> str:
    return f"touch {marker(folder)}"


def evil(make: Callable[[Path], Any], protocol: int = 2) -> Callable[[Path], bytes]:
    return lambda folder: pickle.dumps(make(folder), protocol=protocol)


def legacy(make: Callable[[Path], Any]) -> Build:
    """A bare pickle, as PyTorch wrote before 1.6."""

    def build(folder: Path) -> Path:
        path = folder_with(folder)
        path.write_bytes(pickle.dumps(make(folder), protocol=2))
        return path

    return build


def tensor(numel: int, shape: str, stride: str, *, storage: bytes = b"FloatStorage") -> bytes:
    """A pickle of one state-dict entry whose sizes are whatever is asked for (protocol 0 text)."""

    def number(value: int) -> bytes:
        data = value.to_bytes(16, "little", signed=True)
        return b"\x8a\x10" + data  # LONG1

    def numbers(text: str) -> bytes:
        return b"(" + b"".join(number(int(v)) for v in text.split()) + b"t"

    word = lambda text: b"X" + struct.pack("<I", len(text)) + text.encode()  # noqa: E731
    return (
        b"\x80\x02}"
        + word("predictor.pos_embedding")
        + b"ctorch._utils\n_rebuild_tensor_v2\n("
        + (b"(" + word("storage") + b"ctorch\n" + storage + b"\n" + word("0") + word("cpu"))
        + number(numel)
        + b"tQ"
        + number(0)
        + numbers(shape)
        + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)Rt"
        + b"Rs."
    )


# ---- files that would run code


class _Imports:
    """Pickles into the import of a module of the user's own."""

    def __reduce__(self) -> Any:
        import importlib

        return importlib.import_module, (CANARY,)


CODE: dict[str, Build] = {
    "os.system": archive(evil(lambda f: {"predictor.x": Gadget(os.system, touch(f))})),
    "builtins.eval": archive(
        evil(lambda f: {"predictor.x": Gadget(eval, f"open({str(marker(f))!r}, 'w')")})
    ),
    "exec": archive(evil(lambda f: [Gadget(exec, f"open({str(marker(f))!r}, 'w')")])),
    "a newer name of eval": archive(
        b"\x80\x02\x8c\x08builtins\x8c\x04eval\x93X\x01\x00\x00\x001\x85R."
    ),
    "deep in a state dict": archive(
        evil(
            lambda f: {"state_dict": {"model.predictor.x": [({"a": Gadget(os.system, touch(f))},)]}}
        )
    ),
    "after the weights": lambda folder: saved(
        lambda t: t.update({"zz": Gadget(os.system, touch(folder))})
    )(folder),
    "import of a module": archive(evil(lambda f: {"predictor.x": _Imports()})),
    "a class of a named module": archive(
        b"\x80\x02}X\x01\x00\x00\x00ac" + CANARY.encode() + b"\nModel\n)\x81s."
    ),
    "a call of a private function of torch": archive(
        b"\x80\x02ctorch.serialization\nload\n(X\x01\x00\x00\x00atR."
    ),
    "getattr": archive(evil(lambda f: {"predictor.x": Gadget(getattr, "a", "upper")})),
    "an instance of an old class": archive(b"(ios\nsystem\nX\x01\x00\x00\x00a."),
    "attributes of no dictionary": archive(b"\x80\x02]}X\x01\x00\x00\x00aK\x01sb."),
    "a whole module": saved(lambda t: torch.nn.Linear(2, 2)),
}


@pytest.mark.parametrize("case", CODE)
def test_code_in_a_pickle(hostile: Hostile, case: str) -> None:
    hostile(CODE[case], load, RUN_CODE)


def test_a_saved_gadget_names_what_it_asks_for(hostile: Hostile) -> None:
    message = hostile(CODE["os.system"], load, RUN_CODE)
    assert f"its pickle asks for {os.system.__module__}.system, and reading it" in message


def test_newer_protocols(hostile: Hostile) -> None:
    message = hostile(
        archive(evil(lambda f: [Gadget(os.system, touch(f))], protocol=4)), load, r".*"
    )
    assert message.endswith(
        "weights.pt was pickled with protocol 4, but PyTorch's restricted reader takes 2, the "
        "default of torch.save. Save it anew without pickle_protocol."
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda f: {"predictor.x": Gadget(os.system, touch(f))},
        lambda f: Gadget(eval, f"open({str(marker(f))!r}, 'w')"),
        lambda f: collections.OrderedDict(a=1),
    ],
    ids=["os.system", "eval", "harmless"],
)
def test_bare_pickles_are_not_read(hostile: Hostile, make: Any) -> None:
    hostile(legacy(make), load, NOT_A_ZIP)


def test_old_files_of_torch_are_not_read(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        path = folder_with(folder)
        torch.save(state(), path, _use_new_zipfile_serialization=False)
        return path

    hostile(build, load, NOT_A_ZIP)


@pytest.mark.parametrize("alone", [True, False])
def test_object_checkpoints(hostile: Hostile, alone: bool) -> None:
    def build(folder: Path) -> Path:
        path = folder_with(folder, "run_epoch_3_object.ckpt")
        torch.save(torch.nn.Linear(2, 2), path)
        return path

    message = hostile(
        build,
        lambda path: load(path.parent if alone else path),
        r".*{name} is a pickled module \(\*_object\.ckpt\): .*",
    )
    assert message.endswith(
        "is a pickled module (*_object.ckpt): to read it is to run code from the file, which "
        "lewm-probe never does, and it needs the very classes it was saved with. Only if you trust "
        "whoever made it, convert it where its classes are installed: import torch; model = "
        "torch.load('run_epoch_3_object.ckpt', weights_only=False, map_location='cpu'); "
        "torch.save(model.state_dict(), 'weights.pt'); then give a folder with that weights.pt and "
        "the run's config.json."
    )


# ---- sizes that are not there

SIZES: dict[str, tuple[Build, str]] = {
    "a storage larger than its bytes": (
        archive(tensor(10**12, "1000000000000", "1"), _0=bytes(64)),
        r"The tensor .*{name} claims a storage of 4,000,000,000,000 bytes, but 64 are there\..*",
    ),
    "an expanded tensor": (
        archive(tensor(16, "1000000 1000000", "0 0"), _0=bytes(64)),
        r"The tensor .*{name} claims 1,000,000,000,000 numbers in a storage of 16\..*",
    ),
    "overlapping strides": (
        archive(tensor(16, "8 1000000000", "1 0"), _0=bytes(64)),
        r"The tensor .*{name} claims 8,000,000,000 numbers in a storage of 16\..*",
    ),
    "strides beyond the storage": (
        archive(tensor(16, "2 2", "1 1000000000"), _0=bytes(64)),
        r"The tensor .*{name} claims 4 numbers in a storage of 16\..*",
    ),
    "negative sizes": (
        archive(tensor(16, "-5", "1"), _0=bytes(64)),
        DAMAGED,
    ),
    "negative strides": (archive(tensor(16, "4", "-1"), _0=bytes(64)), DAMAGED),
    "a tensor that is made and thrown away": (
        archive(lambda f: _thrown_away(), _0=bytes(64)),
        r"The tensor number 0 of .*{name} claims a storage of 4,000,000,000,000 bytes, but 64 .*",
    ),
    "a tensor among attributes": (
        archive(lambda f: _among_attributes(), _0=bytes(64)),
        r"The tensor number 0 of .*{name} claims 1,000,000,000,000 numbers in a storage of 16\..*",
    ),
    "one storage of two types": (
        archive(lambda f: _two_types(), _0=bytes(64)),
        DAMAGED,
    ),
    "marks taken for values": (archive(b"\x80\x02}X\x01\x00\x00\x00a(\x85s."), DAMAGED),
    "a storage that is missing": (archive(tensor(16, "4", "1")), DAMAGED),
    "complex numbers": (
        archive(tensor(8, "4", "1", storage=b"ComplexFloatStorage"), _0=bytes(64)),
        r".*{name} holds a complex tensor, but .*",
    ),
    "quantized numbers": (
        archive(tensor(8, "4", "1", storage=b"QInt8Storage"), _0=bytes(64)),
        r".*{name} holds a quantized tensor, but .*",
    ),
    "a sparse tensor": (
        saved(lambda t: t.update({"predictor.pos_embedding": torch.eye(3).to_sparse()})),
        r".*{name} holds a sparse tensor, but .*",
    ),
    "a thousand views of the same bytes": (
        saved(lambda t: t.update({f"predictor.{n}": t_view(t) for n in range(1000)})),
        r"The tensors of .*{name} together claim .*",
    ),
    "a word of 4 GB": (archive(b"\x80\x02X\xff\xff\xff\xffabc."), DAMAGED),
    "a byte array of 2^60 bytes": (
        archive(b"\x80\x02\x96" + struct.pack("<Q", 2**60) + b"a."),
        DAMAGED,
    ),
    "a memo of 2^32 places": (archive(b"\x80\x02}r\xff\xff\xff\xff]."), r".*{name} holds a list.*"),
    "a list in itself": (archive(b"\x80\x02]q\x00h\x00a."), r".*{name} holds a list.*"),
    "lists of lists that would be 2^99 long": (
        archive(
            b"\x80\x02]q\x00"
            + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(99))
            + b"}X\x0b\x00\x00\x00predictor.xh\x63s."
        ),
        r"'predictor\.x' of .*{name} is a list, but a tensor was expected\..*",
    ),
    "tuples in tuples in tuples": (
        archive(b"\x80\x02}X\x01\x00\x00\x00a)" + b"\x85" * 150_000 + b"s."),
        r".*{name} holds no LeWM or PLDM: .*",
    ),
    "tuples as keys, deep": (archive(b"\x80\x02})" + b"\x85" * 150_000 + b"Ns."), DAMAGED),
    "no end of instructions": (archive(b"\x80\x02(" + b"N" * 3_000_000 + b"t."), DAMAGED),
}


def _value(pickled: bytes) -> bytes:
    """The tensor alone out of ``tensor(…)``: without the dictionary around it."""
    begin = pickled.index(b"ctorch._utils")
    return pickled[begin:-2]


def _thrown_away() -> bytes:
    """A dictionary's value that a second one replaces."""
    key = b"X\x01\x00\x00\x00a"
    return b"\x80\x02}" + key + _value(tensor(10**12, "4", "1")) + b"s" + key + b"Ns."


def _among_attributes() -> bytes:
    made = _value(tensor(16, "1000000 1000000", "0 0"))
    return b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00a" + made + b"sb."


def _two_types() -> bytes:
    first = _value(tensor(16, "16", "1"))
    second = _value(tensor(8, "8", "1", storage=b"DoubleStorage"))
    return b"\x80\x02(" + first + second + b"t."


def t_view(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return tensors["predictor.transformer.layers.0.adaLN_modulation.1.weight"].view(-1)


@pytest.mark.parametrize("case", SIZES)
def test_claims_that_are_not_true(hostile: Hostile, case: str) -> None:
    build, match = SIZES[case]
    hostile(build, load, match)


def _bomb(folder: Path) -> Path:
    """An entry of a gigabyte in a megabyte, were it unpacked."""
    path = folder_with(folder)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(f"{ENTRY}/data.pkl", "w", force_zip64=True) as entry,
    ):
        for _ in range(128):
            entry.write(bytes(2**20))
    return path


def _many_entries(folder: Path) -> Path:
    path = folder_with(folder)
    with zipfile.ZipFile(path, "w") as file:
        for n in range(20_001):
            file.writestr(zipfile.ZipInfo(f"{n}"), b"")
    return path


def _lying_directory(folder: Path) -> Path:
    """The central directory claims a gigabyte for a stored entry of a few bytes."""
    path = folder_with(folder)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 2**30, 2**30)
    path.write_bytes(data)
    return path


ARCHIVES: dict[str, tuple[Build, str]] = {
    "a zip bomb": (_bomb, DECEIVES),
    "packed entries": (rezipped(lambda n, d: [(n, d)], compression=zipfile.ZIP_DEFLATED), DECEIVES),
    "an entry that leaves the folder": (
        rezipped(
            lambda n, d: [(n, d), ("weights/../../executed", b"x")] if "pkl" in n else [(n, d)]
        ),
        r".*{name} is an archive with an entry that leaves it .*",
    ),
    "an absolute entry": (
        rezipped(lambda n, d: [(n, d), ("/tmp/executed", b"x")] if "pkl" in n else [(n, d)]),
        r".*{name} is an archive with an entry that leaves it .*",
    ),
    "two entries under one name": (
        rezipped(lambda n, d: [(n, d), (n.upper(), b"cos\nsystem\n")] if "pkl" in n else [(n, d)]),
        r".*{name} is an archive with two entries of the name .*",
    ),
    "twenty thousand entries": (_many_entries, r".*{name} is an archive of 20,001 entries, .*"),
    "a directory that lies": (_lying_directory, r".*{name} .*"),
    "an archive of something else": (
        rezipped(lambda n, d: [] if n.endswith("data.pkl") else [(n, d)]),
        r".*{name} is a zip archive, but not one of torch\.save: it has no data\.pkl\..*",
    ),
    "a description of 40 MB": (
        archive(b"\x80\x02" + bytes(40 * 2**20)),
        r".*{name} describes its tensors in 41,943,042 bytes, .*",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives(hostile: Hostile, case: str) -> None:
    build, match = ARCHIVES[case]
    hostile(build, load, match)


# ---- broken files


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("build", "match"),
    [
        (cut(0.0), NOT_A_ZIP),
        (cut(3), NOT_A_ZIP),
        (cut(60), DAMAGED),
        (cut(0.02), DAMAGED),  # in the pickle
        (cut(0.5), DAMAGED),  # in a tensor
        (cut(0.99), DAMAGED),  # in the directory
        (cut(-1), DAMAGED),  # in the end record
        (
            rezipped(lambda n, d: [(n, d[: len(d) // 2] if n.endswith("data.pkl") else d)]),
            DAMAGED,
        ),
        (
            rezipped(lambda n, d: [(n, d[:-4] if n.endswith("data/7") else d)]),
            r"The tensor .* claims a storage of .* bytes, but .* are there\..*",
        ),
        (
            rezipped(lambda n, d: [] if n.endswith("data/7") else [(n, d)]),
            r".*{name} is not a whole checkpoint of torch\.save: the bytes of .* are missing .*",
        ),
        (saved(lambda t: [1, 2, 3]), r".*{name} holds a list, but a checkpoint is a table of .*"),
        (saved(lambda t: {"a": 1}), r".*{name} holds no LeWM or PLDM: .*"),
        (saved(lambda t: t["predictor.pos_embedding"]), r".*{name} holds a tensor, but .*"),
    ],
    ids=lambda value: value[:0] if isinstance(value, str) else "file",
)
def test_broken(hostile: Hostile, build: Build, match: str) -> None:
    hostile(build, load, match)


def test_nan_weights(hostile: Hostile) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors["pred_proj.net.3.bias"][:2] = torch.nan

    hostile(
        saved(spoil),
        load,
        r"The tensor pred_proj\.net\.3\.bias of .*{name} holds 2 NaN or infinite values of 48: .*",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("predictor.pos_embedding"),
        lambda t: t.update({"predictor.extra": torch.ones(2)}),
        lambda t: t.update({"predictor.pos_embedding": torch.ones(1, 3, 49)}),
        lambda t: t.update({"predictor.pos_embedding": torch.ones(1, 3, 48).double()}),
        lambda t: t.update({"predictor.pos_embedding": torch.ones(1, 3, 48).int()}),
        lambda t: t.update({"projector.net.1.num_batches_tracked": torch.tensor(1.0)}),
    ],
    ids=["missing", "extra", "shape", "double", "integer", "counter"],
)
def test_other_tensors(hostile: Hostile, change: Any) -> None:
    def build(folder: Path) -> Path:
        return saved(lambda t: [change(t)].clear())(folder)

    hostile(build, load, TENSORS)


# ---- configurations


def _set(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        *path, last = place.split("/")
        for key in path:
            tree = tree[key]
        tree[last] = value

    return change


UNKNOWN_NAME = r"The configuration .*{name}: .*_target_ names .*never imported\..*"

CONFIGS: dict[str, tuple[Build, str]] = {
    "_target_: os.system": (configured(_set("_target_", "os.system")), UNKNOWN_NAME),
    "a part's _target_": (configured(_set("predictor/_target_", "builtins.eval")), UNKNOWN_NAME),
    "a module of the user's": (
        configured(_set("encoder/_target_", f"{CANARY}.Model")),
        UNKNOWN_NAME,
    ),
    "a norm's _target_": (
        configured(_set("projector/norm_fn/_target_", "subprocess.Popen")),
        UNKNOWN_NAME,
    ),
    "arguments for the norm": (
        configured(_set("projector/norm_fn/args", ["rm", "-rf", "x"])),
        r"The configuration .*{name}: projector\.norm_fn sets 'args', .*",
    ),
    "a list of targets": (configured(_set("_target_", ["os.system"])), UNKNOWN_NAME),
    "an unknown key": (
        configured(_set("shell", "touch executed")),
        r"The configuration .*{name} has an unknown key 'shell'\. Known keys there: .*",
    ),
    "an unknown field": (
        configured(_set("predictor/command", "touch executed")),
        r"The configuration .*{name}, predictor has an unknown key 'command'\..*",
    ),
    "layers without end": (configured(_set("predictor/depth", 10**9)), r".*{name}.*1024.*"),
    "as many layers as are taken": (
        configured(_set("encoder/num_hidden_layers", 1024)),
        r"The configuration of .*weights\.pt has 1026 layers in encoder and predictor, but the "
        r"file has 107 tensors, too few for them\. Give the {name} that was saved with .*",
    ),
    "an image without end": (configured(_set("encoder/image_size", 10**9)), r".*{name}.*8192.*"),
    "widths without end": (
        configured(_set("encoder/hidden_size", 3 * 10**12)),
        r".*{name}.*65536.*",
    ),
    "an action block without end": (
        configured(_set("action_encoder/input_dim", 10**12)),
        r".*{name}.*65536.*",
    ),
    "nothing to attend with": (configured(_set("predictor/heads", 0)), r".*{name}.*"),
    "brackets a million deep": (
        configured(lambda t: "[" * 500_000 + "]" * 500_000),
        r".*{name} is not read: its brackets lie more than 32 deep .*",
    ),
    "two megabytes": (
        configured(lambda t: json.dumps(t) + " " * 2 * 2**20),
        r".*{name} has 2,098,.* bytes, but such a file has under .*",
    ),
    "NaN": (
        configured(_set("predictor/dropout", float("nan"))),
        r".*{name} is not read: NaN is no number that JSON has\..*",
    ),
    "Infinity": (
        configured(_set("predictor/dropout", float("-inf"))),
        r".*{name} is not read: -Infinity is no number that JSON has\..*",
    ),
    "a million digits": (
        configured(lambda t: json.dumps(t).replace('"depth": 2', '"depth": ' + "9" * 900_000)),
        r".*{name} is not read: a whole number in it has 900,000 digits\..*",
    ),
    "1e999": (
        configured(lambda t: json.dumps(t).replace('"dropout": 0.1', '"dropout": 1e999')),
        r".*{name} is not read: the number 1e999 in it is beyond all computers\..*",
    ),
    "a key twice": (
        configured(lambda t: '{"_target_": "jepa.JEPA", ' + json.dumps(t)[1:]),
        r".*{name} is not read: the key '_target_' stands twice in it\..*",
    ),
    "cut short": (configured(lambda t: json.dumps(t)[:300]), r".*{name} is not JSON .*"),
    "empty": (configured(lambda t: ""), r".*{name} is not JSON .*"),
    "a list": (configured(lambda t: "[]"), r".*{name} is no table of keys and values\..*"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configurations(hostile: Hostile, case: str) -> None:
    build, match = CONFIGS[case]
    hostile(build, load_folder, match)


# ---- links, and what is no file


def _linked(name: str, target: Callable[[Path], Path]) -> Build:
    def build(folder: Path) -> Path:
        run = folder / "run"
        run.mkdir()
        folder_with(run)
        outside = folder / "outside"
        outside.mkdir()
        folder_with(outside)
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target(folder))
        return run / name

    return build


LINK = r".*{name} is a link that leaves its folder, .*"


@pytest.mark.parametrize(
    "build",
    [
        _linked("weights.pt", lambda f: f / "outside" / "weights.pt"),
        _linked("weights.pt", lambda f: Path("../outside/weights.pt")),
        _linked("config.json", lambda f: f / "outside" / "config.json"),
        _linked("config.json", lambda f: Path("/etc/passwd")),
        _linked("lewm_probe.json", lambda f: Path("/dev/zero")),
        _linked("weights_epoch_3.pt", lambda f: f / "outside" / "weights.pt"),
        _linked("weights.pt", lambda f: f / "nowhere"),
    ],
    ids=["weights", "relative", "config", "passwd", "sidecar", "epoch", "nowhere"],
)
def test_links_that_leave_the_folder(hostile: Hostile, build: Build) -> None:
    hostile(build, lambda path: load(path.parent), LINK)


def test_a_cached_repository_may_not_link_out_of_itself(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        snapshot = folder / "models--someone--lewm" / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        outside = folder / "models--other--lewm" / "blobs"
        outside.mkdir(parents=True)
        folder_with(outside)
        shutil.copy(outside / "config.json", snapshot / "config.json")
        (snapshot / "weights.pt").symlink_to("../../../models--other--lewm/blobs/weights.pt")
        return snapshot / "weights.pt"

    hostile(build, lambda path: load(path.parents[2]), LINK)


def test_a_reference_that_is_a_path(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        repository = folder / "models--someone--lewm"
        (repository / "snapshots" / "abc").mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("../../outside")
        return repository

    hostile(build, load, r"The cached repository .*{name} does not say which of its snapshots .*")


def _kind(make: Callable[[Path], object]) -> Build:
    def build(folder: Path) -> Path:
        path = folder_with(folder)
        path.unlink()
        make(path)
        return path

    return build


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a pipe"), (Path.mkdir, "a folder")],
    ids=["pipe", "folder"],
)
@pytest.mark.parametrize("whole", [True, False])
def test_no_ordinary_file(hostile: Hostile, make: Any, kind: str, whole: bool) -> None:
    if kind == "a folder" and not whole:
        match = r"The folder .*{name} holds no checkpoint: .*"
    else:
        match = rf".*{{name}} is {kind}, but an ordinary file was expected there\..*"
    hostile(_kind(make), lambda path: load(path.parent if whole else path), match)


@pytest.mark.parametrize("name", ["zero", "null"])
def test_devices(hostile: Hostile, name: str) -> None:
    hostile(
        lambda folder: Path("/dev") / name,
        load,
        r"/dev/{name} is a device, but an ordinary file was expected there\..*",
    )


def test_a_pipe_in_place_of_the_configuration(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        folder_with(folder)
        (folder / "config.json").unlink()
        os.mkfifo(folder / "config.json")
        return folder / "config.json"

    hostile(build, load_folder, r".*{name} is a pipe, but an ordinary file was expected there\..*")


# ---- safetensors


def _safe(change: Callable[[bytes], bytes]) -> Build:
    """Our own kind of file, changed byte by byte."""

    def build(folder: Path) -> Path:
        from lewm_probe.models.checkpoints.native import save_checkpoint
        from lewm_probe.models.family import Origin

        path = folder / "model.safetensors"
        model = load_model(GOLDEN, action_stats="identity")
        save_checkpoint(path, model, meta=Origin(family="lewm"))
        path.write_bytes(change(path.read_bytes()))
        return path

    return build


def _header(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def rewrite(data: bytes) -> bytes:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    return rewrite


def _own(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        own = json.loads(header["__metadata__"]["lewm_probe"])
        own["config"].update(changes.pop("config", {}))
        own.update(changes)
        header["__metadata__"]["lewm_probe"] = json.dumps(own)

    return change


def _claim(**claim: Any) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["predictor.pos_embedding"].update(claim)


NOT_WHOLE = r".*{name} is not a whole safetensors file: .*"
SAFETENSORS: dict[str, tuple[Build, str]] = {
    "cut in the header": (_safe(lambda d: d[:500]), NOT_WHOLE),
    "cut in the body": (_safe(lambda d: d[:-100]), NOT_WHOLE),
    "cut in the length": (_safe(lambda d: d[:5]), NOT_WHOLE),
    "empty": (_safe(lambda d: b""), NOT_WHOLE),
    "a header of 2^62 bytes": (_safe(lambda d: struct.pack("<Q", 2**62) + d[8:]), NOT_WHOLE),
    "a shape without end": (_safe(_header(_claim(shape=[10**6, 10**6]))), NOT_WHOLE),
    "offsets beyond the end": (_safe(_header(_claim(data_offsets=[0, 2**50]))), NOT_WHOLE),
    "negative offsets": (_safe(_header(_claim(data_offsets=[-8, 0]))), NOT_WHOLE),
    "layers without end": (
        _safe(_header(_own(config={"predictor": {"layers": 10**9}}))),
        r"The header of .*{name}: .*1024.*",
    ),
    "a frame-skip without end": (
        _safe(_header(_own(config={"frame_skip": 10**12}))),
        r"The header of .*{name}: .*1024.*",
    ),
    "an unknown key": (
        _safe(_header(_own(run="touch executed"))),
        r"The header of .*{name} has an unknown key 'run'\..*",
    ),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors(hostile: Hostile, case: str) -> None:
    build, match = SAFETENSORS[case]
    hostile(build, load, match)


def test_a_pickle_called_safetensors(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        path = folder / "model.safetensors"
        path.write_bytes(pickle.dumps(Gadget(os.system, touch(folder))))
        return path

    hostile(build, load, NOT_WHOLE)


def test_safetensors_of_somebody_else(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        save_file({"a": torch.ones(2)}, folder / "model.safetensors")
        return folder / "model.safetensors"

    hostile(build, load, r".*{name} is a safetensors file, but lewm-probe did not write it: .*")


# ---- the harness itself


def test_the_harness_sees_a_gadget_run(tmp_path: Path, hostile: Hostile) -> None:
    def open_it(path: Path) -> object:
        return pickle.loads(path.read_bytes())

    def build(folder: Path) -> Path:
        path = folder / "gadget"
        path.write_bytes(pickle.dumps(Gadget(os.system, touch(folder))))
        return path

    with pytest.raises(BaseException, match="DID NOT RAISE"):
        hostile(build, open_it, ".*")
    assert marker(tmp_path / "hostile").exists()


def test_the_harness_sees_memory_grow(hostile: Hostile) -> None:
    from lewm_probe.core.errors import UserError

    def open_it(path: Path) -> object:
        assert len(b"x" * (600 * 2**20)) > 0
        raise UserError(f"{path} is too large.")

    def build(folder: Path) -> Path:
        buffer = io.BytesIO(b"large")
        (folder / "large").write_bytes(buffer.getvalue())
        return folder / "large"

    with pytest.raises(AssertionError, match="memory grew by"):
        hostile(build, open_it, ".*")
