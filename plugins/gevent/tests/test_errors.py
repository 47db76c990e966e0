"""What goes wrong in the hub is logged, and nothing of it reaches the main greenlet."""

from __future__ import annotations

import logging
import sys


def test_errors_of_greenlets_and_callbacks_are_logged(patched):
    def scene() -> None:
        import gevent

        from kernelq_gevent.errors import hub_errors_logged

        records: list[logging.LogRecord] = []

        class Kept(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                gevent.sleep(0)  # it may wait, as one that sends does
                records.append(record)

        logging.getLogger("kernelq.gevent").addHandler(Kept())
        hub = gevent.get_hub()
        usual = hub.handle_error
        with hub_errors_logged(hub):
            gevent.spawn(sys.exit, 3)
            hub.loop.run_callback(lambda: 1 / 0)
            with gevent.Timeout(30):
                while len(records) < 2:
                    gevent.sleep(0.001)

        assert [SystemExit, ZeroDivisionError] == sorted((record.exc_info[0] for record in records), key=str)
        assert all("failed" in record.getMessage() for record in records)
        assert usual == hub.handle_error

    patched(scene)


def test_a_handler_that_raises_ends_nothing(patched):
    def scene() -> None:
        import gevent

        from kernelq_gevent.errors import hub_errors_logged

        class Broken(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                raise SystemExit

        logging.getLogger("kernelq.gevent").addHandler(Broken())
        with hub_errors_logged(gevent.get_hub()):
            gevent.spawn(sys.exit, 3)
            gevent.sleep(0.05)

    patched(scene)
