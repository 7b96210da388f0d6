"""Settings assets: the part of the experiment that each stage reads, and no more.

`stage` is the mechanism, `data`, `tabular`, `decision` and `text` declare the parts, `assets` makes
an asset of each. What an experiment file may say is declared in `churnsaver_assets.experiments`.
"""
