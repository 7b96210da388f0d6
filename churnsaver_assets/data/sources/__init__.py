"""Where data come from: what is pinned, the mirror, the download. Nothing is parsed here."""
