from __future__ import annotations

import subprocess
import sys

import pytest

import lewm_probe


def test_the_package_is_light_until_a_name_is_used() -> None:
    code = "import sys, lewm_probe; sys.exit('torch' in sys.modules or 'h5py' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", ["load_model", "audit", "AuditCallback", "export_swm", "save_released"]
)
def test_names_of_the_package(name: str) -> None:
    assert callable(getattr(lewm_probe, name))


def test_no_such_name() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = lewm_probe.load_models
    assert str(caught.value) == "module 'lewm_probe' has no attribute 'load_models'"
