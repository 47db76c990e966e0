"""The microkernel stays small and knows nothing of what it boots."""

from __future__ import annotations

KERNEL_LINES = 1_500
FORBIDDEN = ("kombu", "amqp", "vine", "celery", "redis", "sqlite3", "click", "rich", "asyncio", "multiprocessing")
CONTRACTS = "kernelq.kernel.contracts."


def test_the_kernel_has_at_most_1500_lines(kernel):
    """As `cat | wc -l` counts: contracts, docstrings, comments and empty lines too."""
    counts = {module.name: module.text.count("\n") for module in kernel}

    assert KERNEL_LINES >= sum(counts.values()), counts


def test_the_kernel_imports_no_broker_no_worker_and_no_client(kernel):
    """Not lazily either. Contracts may name the shared values to the type checker: they are what plugins hand over."""
    wrong = [
        f"{module.path}:{found.line} imports {found.module}"
        for module in kernel
        for found in module.imports
        if not (found.typing_only and module.name.startswith(CONTRACTS))
        and (
            found.module.partition(".")[0] in FORBIDDEN
            or (found.module.startswith("kernelq") and not found.module.startswith("kernelq.kernel"))
        )
    ]

    assert wrong == []


def test_each_contract_imports_only_the_standard_library_and_attrs_at_run_time(kernel):
    """A contract is read by plugin authors and imported by everyone, so it costs next to nothing."""
    wrong = [
        f"{module.path}:{found.line} imports {found.module}"
        for module in kernel
        if module.name.startswith(CONTRACTS)
        for found in module.running()
        if found.module.partition(".")[0] in ("kombu", "pluggy", "stevedore", "networkx", "kernelq")
    ]

    assert wrong == []
