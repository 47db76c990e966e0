"""Cameras."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.events.snapshot import Polaroid, camera
from kernelq.events.state import State
from kernelq.kernel.errors import BadSetting, ConfigurationError
from kernelq_testkit.waiting import eventually

HEARTBEAT = {"type": "worker-heartbeat", "hostname": "w@h", "timestamp": 1.0, "local_received": 1.0, "clock": 1}


class Album(Polaroid):
    """Keeps the pictures: how many events each has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pictures: list[int] = []
        self.cleaned = threading.Event()
        self.taken = threading.Event()

    def on_shutter(self, state: State) -> None:
        self.pictures.append(state.event_count)
        self.taken.set()

    def on_cleanup(self) -> None:
        self.cleaned.set()


class Clearing(Album):
    clear_after = True


@pytest.fixture
def app() -> Any:
    with KernelQ("t") as app:
        yield app


def test_pictures_are_taken_and_cleaned_up_after(app):
    with Album(State(), app=app, freq=0.01, cleanup_freq=0.02) as album:
        assert album.taken.wait(30)
        assert album.cleaned.wait(30)
    count = len(album.pictures)
    album.cancel()
    assert count == len(album.pictures)


def test_what_came_last_is_in_the_last_picture(app):
    state = State()
    with Clearing(state, app=app, freq=3600) as album:
        state.event(dict(HEARTBEAT))

    assert [1] == album.pictures
    assert (0, {}) == (state.event_count, state.workers)


def test_no_more_pictures_than_the_rate_allows(app):
    album = Album(State(), app=app, maxrate="1/h")
    for _ in range(5):
        album.capture()

    assert 1 == len(album.pictures)
    with pytest.raises(BadSetting, match="'often' is no rate limit"):
        Album(State(), app=app, maxrate="often")


def test_a_picture_that_failed_is_no_end(app, caplog):
    class Shaky(Album):
        def on_shutter(self, state: State) -> None:
            super().on_shutter(state)
            raise ValueError("too dark")

    with caplog.at_level(logging.ERROR, "kernelq.events"), Shaky(State(), app=app, freq=0.01) as album:
        eventually(lambda: len(album.pictures) > 1, 30, wanted="two pictures")

    assert "the camera Shaky failed" in caplog.text
    assert "too dark" in caplog.text


@pytest.mark.parametrize("path", ["cameras.Album", "cameras:Album"])
def test_a_camera_is_found_by_its_path(app, path, tmp_path, monkeypatch):
    (tmp_path / "cameras.py").write_text("from kernelq.events.snapshot import Polaroid\nclass Album(Polaroid): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = camera(path, State(), app, freq=7.0, maxrate="10/m")

    assert ("Album", 7.0) == (type(found).__name__, found.freq)


def test_one_written_for_celery_works_too(app):
    found = camera("celery.events.snapshot.Polaroid", State(), app, freq=0.01)
    with found:
        assert isinstance(found.state, State)
    found.timer.stop()


@pytest.mark.parametrize("path", ["Album", "no.such.Album", "kernelq.events.snapshot.Album"])
def test_one_that_is_not_there_says_so(app, path):
    with pytest.raises(ConfigurationError, match="camera"):
        camera(path, State(), app)
