"""All hooks in one file. An implementation takes the arguments it wants, by name, and leaves the others out.

Events tell; what they return is dropped, and one that raises is logged by name. The hooks named in `DECISIONS` ask: the
first answer that is not None counts, and what they raise is raised. Names and arguments are those of Celery's signals
(celery/signals.py) where it has one. Where nothing else is said, `sender` is the app, the worker or the task.
"""

DECISIONS = frozenset({"setup_logging"})

# The file is read as a list, in the order of a life; empty lines stand between the chapters only.
# fmt: off

def declare_settings(settings):
    """Called when an app's settings are first read; declare your own by ``settings.section(YourSection)``."""
def on_after_configure(sender, source):
    """Called once, when the app's settings have been read. `source`: the settings."""
def on_after_finalize(sender):
    """Called once, when the app's tasks are complete."""
def import_modules(sender):
    """Called before a worker imports the modules of ``imports`` and ``include``."""

def before_task_publish(sender, body, exchange, routing_key, headers, properties, retry_policy):
    """Called in the sender before a message goes; the dicts may be changed. `sender`: task name. `body`: bytes."""
def after_task_publish(sender, body, exchange, routing_key, headers):
    """Called in the sender when the broker has the message. `sender`: task name. `body`: bytes."""

def task_received(sender, request):
    """Called in the supervisor when a task is accepted. `request`: `kernelq.request.Request`."""
def task_revoked(sender, request, terminated, signum, expired):
    """Called in the supervisor when a revoke, or `expired`, ends a task. `request`: a Request or a Delivery."""
def task_rejected(sender, message, exc):
    """Called in the supervisor when a message is buried unread. `message`: Delivery. `exc`: the reason, str."""
def task_unknown(sender, name, id, message, exc):
    """Called in the supervisor when no task has the message's name. `message`: Delivery. `exc`: the reason, str."""

def task_prerun(sender, task_id, task, args, kwargs):
    """Called in the host before a task runs, with its decoded arguments."""
def task_postrun(sender, task_id, task, args, kwargs, retval, state):
    """Called in the host after a task has run, whatever came of it. `retval`: its result or exception."""
def task_success(sender, result):
    """Called in the host when a task returned `result`."""
def task_retry(sender, request, reason, einfo):
    """Called in the host when a task will be retried. `request`: its context. `reason`: exception. `einfo`: str."""
def task_failure(sender, task_id, exception, args, kwargs, traceback, einfo):
    """Called in the host when a task raised. `traceback`: a traceback object or None. `einfo`: it as text."""
def task_internal_error(sender, task_id, args, kwargs, request, exception, traceback, einfo):
    """Called in the host when KernelQ's own code failed around a task: encoding, a result store."""

def celeryd_init(sender, instance, conf, options):
    """Called first in a worker. `sender`: its node name. `instance`: the worker. `options`: of the command, a dict."""
def celeryd_after_setup(sender, instance, conf):
    """Called when a worker's queues and options are settled, before its steps start. As `celeryd_init`."""
def worker_init(sender):
    """Called before a worker's steps start."""

def worker_before_create_process(sender):
    """Called in the supervisor before it forks a host: close there what a child must not share."""
def worker_process_init(sender):
    """Called in a host when it has started, before its first task: open connections here. `sender`: None."""
def worker_process_shutdown(sender, pid, exitcode):
    """Called in a host before it ends. `sender`: None."""

def worker_ready(sender):
    """Called when a worker consumes, and again after each reconnect."""
def heartbeat_sent(sender):
    """Called before a worker sends a heartbeat event, worker-online and worker-offline included."""
def worker_shutting_down(sender, sig, how, exitcode):
    """Called when a worker begins to stop. `sender`: its node name. `sig`: what asked. `how`: warm or cold."""
def worker_shutdown(sender):
    """Called when a worker has stopped."""

def setup_logging(loglevel, logfile, format, colorize):
    """Decision: set up logging yourself and return True; then KernelQ sets up none. `loglevel`: int."""
def after_setup_logger(logger, loglevel, logfile, format, colorize):
    """Called when KernelQ has set up its logger."""
def after_setup_task_logger(logger, loglevel, logfile, format, colorize):
    """Called when KernelQ has set up ``kernelq.task``, the logger of tasks."""
