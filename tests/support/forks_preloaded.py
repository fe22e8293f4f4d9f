"""What is imported once, before our programs are forked: all that they import themselves."""

import pkgutil
from importlib import import_module

import worker.app.bootstrap
import worker.app.cli
import worker.console

for module in pkgutil.walk_packages(worker.console.__path__, "worker.console."):
    import_module(module.name)
