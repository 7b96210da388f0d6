"""What a model is asked: for whom, with which offer, in which words."""
