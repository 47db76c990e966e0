"""Who may import whom, and who alone may touch a library."""

from __future__ import annotations

import pytest

KERNEL, CLIENT, CLI = "kernel", "client", "cli"
SOLE_USERS = {
    "stevedore": {"kernelq.kernel.discovery"},
    "importlib.metadata": {"kernelq.kernel.discovery"},
    "pluggy": {"kernelq.kernel.hooks", "kernelq.kernel.hookspecs"},
    "networkx": {"kernelq.kernel.graph"},
}


def layer(module: str) -> str:
    """Return the layer of a module: kernel, client, cli, or the plugin's name."""
    if module.startswith("kernelq_"):
        return module.partition(".")[0]
    if module == "kernelq.kernel" or module.startswith("kernelq.kernel."):
        return KERNEL
    if module in ("kernelq.cli", "kernelq.__main__") or module.startswith("kernelq.cli."):
        return CLI
    return CLIENT


MAY_IMPORT = {KERNEL: {KERNEL}, CLIENT: {KERNEL, CLIENT}, CLI: {KERNEL, CLIENT, CLI}}


def test_imports_run_from_the_command_line_over_plugins_and_client_to_the_kernel(modules):
    """A plugin imports itself, the client and the kernel; its command may use the command line's own helpers."""
    wrong = []
    for module in modules:
        own = layer(module.name)
        allowed = MAY_IMPORT.get(own, {KERNEL, CLIENT, CLI, own})
        for found in module.running():
            if found.module.partition(".")[0].startswith("kernelq") and layer(found.module) not in allowed:
                wrong.append(f"{module.path}:{found.line} ({own}) imports {found.module}")

    assert wrong == []


def test_plugins_never_import_each_other_not_even_for_types(modules):
    """What two plugins share lives in the client or in a contract."""
    wrong = [
        f"{module.path}:{found.line} imports {found.module}"
        for module in modules
        if module.name.startswith("kernelq_")
        for found in module.imports
        if found.module.startswith("kernelq_") and layer(found.module) != layer(module.name)
    ]

    assert wrong == []


@pytest.mark.parametrize("library", sorted(SOLE_USERS))
def test_a_library_with_a_door_of_its_own_is_imported_there_alone(modules, library):
    """Discovery, hooks and graph are the doors; whoever else needs the library asks them."""
    users = {
        module.name
        for module in modules
        for found in module.running()
        if found.module == library or found.module.startswith(library + ".")
    }

    assert SOLE_USERS[library] >= users


def test_networkx_is_imported_inside_functions(modules):
    """It takes 60 ms to load, and a producer never needs it."""
    graph = next(module for module in modules if module.name == "kernelq.kernel.graph")
    top = {node.lineno for node in graph.tree.body}

    assert [] == [found.line for found in graph.running() if found.module == "networkx" and found.line in top]
