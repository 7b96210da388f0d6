"""Assets of the text models and of the messages, each with its checks, one module a group.

Here belongs what names inputs, versions and metadata; what an asset computes is in `text/`.
"""
