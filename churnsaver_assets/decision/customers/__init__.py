"""The simulator's customers: real ones, as models score them now and in the months to come.

How customers are simulated does not belong here.
"""
