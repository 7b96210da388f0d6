"""How good the messages are: drawn, judged, compared, and looked at a second time.

Nothing here trains a writer.
"""
