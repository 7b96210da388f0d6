"""Assets and checks of the text models, one module a group."""
