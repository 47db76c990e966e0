"""The app: its parts, its plugins, its life."""

from __future__ import annotations

import os
import signal
import threading
from typing import cast

import pytest
from sending import recording_app

from kernelq import KernelQ, hookimpl
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import ConfigurationError, UnknownSetting
from kernelq.kernel.settings import setting
from kernelq.kernel.step import Step


def only(**groups):
    return Discovery(groups, installed=False)


class Part:
    """A transport and a backend."""

    def __init__(self, url, settings):
        self.url = url
        self.closed = 0

    def sender(self):
        return self

    def close(self):
        self.closed += 1


def test_a_wrong_setting_among_the_arguments_is_an_error():
    app = KernelQ(discovery=only(), task_rotes={})

    with pytest.raises(UnknownSetting, match="task_routes"):
        app.finalize()


def test_the_url_says_which_transport_and_which_backend():
    """They are made once; a scheme without a plugin of its own goes to the fallback."""
    groups = {"kernelq.transports": {"one": Part, "fallback": Part}, "kernelq.backends": {"two": Part}}
    app = KernelQ(broker="one://here", backend="two://there", discovery=Discovery(groups, installed=False))

    assert ("one://here", "two://there") == (app.transport.url, getattr(app.backend, "url", None))
    assert app.transport is app.transport
    app.close()
    app.conf.broker_url = "three://x"
    assert "three://x" == app.transport.url


@pytest.mark.parametrize("url", ["disabled://", "disabled", "", None])
def test_results_can_be_left_out(url):
    app = KernelQ(discovery=only(), result_backend=url)

    assert None is app.backend


def test_a_scheme_that_nobody_has_says_what_to_install():
    app = KernelQ(broker="redis://host", discovery=only())

    with pytest.raises(ConfigurationError, match=r"broker_url asks for 'redis'.*To get it"):
        app.transport  # noqa: B018 - it is asked for


def test_closing_frees_everything_and_a_later_use_opens_again():
    groups = {"kernelq.transports": {"one": Part}, "kernelq.backends": {"one": Part}}
    with KernelQ(broker="one://", backend="one://", discovery=Discovery(groups, installed=False)) as app:
        sender, backend = cast("Part", app.sender), cast("Part", app.backend)
    app.close()

    assert (1, 1) == (sender.closed, backend.closed)
    assert sender is not cast("Part", app.sender)


def test_several_apps_live_side_by_side():
    """Nothing of one is in the other."""
    first, ours = recording_app(task_default_queue="first")
    second, theirs = recording_app(task_default_queue="second")

    @first.task(name="pack")
    def pack(): ...

    @second.task(name="pack")
    def other(): ...

    pack.delay()
    other.delay()

    assert (["first"], ["second"]) == ([one.queue for one in ours.sent], [one.queue for one in theirs.sent])


def test_finalising_happens_once_among_many_threads():
    """Whoever asks for the tasks first; the others wait."""
    told = []

    class Plugin:
        @hookimpl
        def on_after_finalize(self, sender):
            told.append(sender)

        @hookimpl
        def on_after_configure(self, sender, source):
            told.append(source)

    app = KernelQ(discovery=only(**{"kernelq.hooks": {"plugin": Plugin()}}))
    gate = threading.Barrier(8)

    def ask():
        gate.wait()
        assert {} == dict(app.tasks)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [app.conf, app] == told


def test_a_plugin_declares_settings_of_its_own():
    """They are known to the arguments and to the environment."""
    import attrs

    @attrs.define
    class Section:
        gate_size: int = setting(1, "how many pass at a time")

    class Plugin:
        @hookimpl
        def declare_settings(self, settings):
            settings.section(Section)

    app = KernelQ(discovery=only(**{"kernelq.hooks": {"gates": Plugin()}}), gate_size=3)

    assert 3 == app.conf.section(Section).gate_size


def test_a_plugin_registered_in_code_is_told_of_sends():
    app, _ = recording_app()
    told = []

    class Plugin:
        @hookimpl
        def after_task_publish(self, sender):
            told.append(sender)

    app.send_task("first")
    app.register(Plugin())
    app.send_task("second")

    assert ["second"] == told


def test_steps_and_commands_are_kept_in_order():
    app = KernelQ(discovery=only())

    @app.add_step
    class One(Step): ...

    class Two(Step): ...

    app.add_step(Two, blueprint="consumer")

    assert ([One], [Two]) == (app.added_steps("worker"), app.added_steps("consumer"))
    assert [] == app.added_commands()


def test_modules_of_the_settings_are_imported(tmp_path, monkeypatch):
    (tmp_path / "tasks_of_the_test.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    app = KernelQ(discovery=only(), include=["tasks_of_the_test"])

    assert ["tasks_of_the_test"] == [module.__name__ for module in app.import_modules()]


def test_a_child_forked_while_a_thread_holds_the_lock_can_send():
    """Nobody in the child would ever release it."""
    app, _ = recording_app()
    held, release = threading.Event(), threading.Event()

    def hold():
        with app._lock:
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends by it
        app.send_task("pack")
        app.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    release.set()
    thread.join()

    assert 0 == status
