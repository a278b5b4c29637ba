"""Where the files of one installation lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.connect.home import Home


def test_the_option_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / "env"))
    monkeypatch.delenv("PLUMBLINE_JARS", raising=False)
    assert Home.resolve(tmp_path / "option").root == tmp_path / "option"
    assert Home.resolve().root == tmp_path / "env"
    assert Home.resolve().jars == tmp_path / "env" / "jars"


def test_without_anything_it_is_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUMBLINE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Home.resolve().root == tmp_path / ".plumbline"
    assert not (tmp_path / ".plumbline").exists()


def test_jars_may_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_JARS", str(tmp_path / "shared"))
    home = Home.resolve(tmp_path / "home")
    assert home.jars == tmp_path / "shared"
    assert home.checkpoint("flights") == tmp_path / "home" / "checkpoints" / "flights"
