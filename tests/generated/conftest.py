"""The programs import what is generated first: they are run by the tests, and not collected."""

collect_ignore_glob = ["programs/*"]
