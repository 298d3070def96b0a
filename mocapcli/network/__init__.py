"""The neural part: the only place, with training, that imports torch."""
