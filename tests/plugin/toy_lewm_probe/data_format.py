"""Episodes in a folder ``*.toyset``, each an ``.npz`` file of its columns."""

import json
from io import BytesIO
from zipfile import BadZipFile

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_folder
from lewm_probe.data.episodes import Episodes


class ToyEpisodes(Episodes):
    """Small ones: all is held in memory. ``np.load`` runs no pickles."""

    def __init__(self, path):
        self.path = path
        try:
            self.attrs = json.loads((path / "about.json").read_text())
            parts = [dict(np.load(BytesIO(f.read_bytes()))) for f in sorted(path.glob("*.npz"))]
            self._values = {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
        except (OSError, ValueError, LookupError, BadZipFile) as error:
            raise UserError(f"{path} is no toyset that can be read. Convert it again.") from error
        self.lengths = np.array([len(part["action"]) for part in parts])
        self.offsets, self.rows = np.cumsum(self.lengths) - self.lengths, int(self.lengths.sum())
        self._values["step_idx"] = np.arange(self.rows) - np.repeat(self.offsets, self.lengths)
        self.columns = tuple(sorted(self._values))

    def close(self):
        self._values = {}

    def row_type(self, column):
        values = self.read(column, 0, 0)
        return values.dtype, values.shape[1:]

    def read(self, column, start=0, stop=None):
        self.known_column(column)
        return self._values[column][start:stop].copy()


class Toyset:
    """By its suffix, or by what lies in a folder; ``write`` may be left out."""

    def recognises(self, path):
        return (path / "about.json").is_file() if path.is_dir() else path.suffix == ".toyset"

    def open(self, path):
        return ToyEpisodes(path)

    def write(self, path, parts, attrs):
        with atomic_folder(path) as temporary:
            (temporary / "about.json").write_text(json.dumps(attrs))
            for number, (columns, images) in enumerate(parts):
                whole = columns | {"pixels": np.concatenate(list(images))}
                np.savez_compressed(temporary / f"{number:06d}.npz", **whole)


TOYSET = Toyset()
