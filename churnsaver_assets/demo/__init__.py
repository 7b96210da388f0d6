"""`make demo`: the whole path once, from raw tables to three decisions over HTTP."""
