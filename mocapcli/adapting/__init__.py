"""Adaptation to one rig: the shared weights, made better at a rig by renders of that very rig."""
