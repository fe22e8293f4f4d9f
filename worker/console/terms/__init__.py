"""Terms as a document, on the command line: plan, apply, keep, show, drop, cancel."""
