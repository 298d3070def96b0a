"""`mocap eval`: figures of models and files against the truth, with what doing nothing would score beside them."""
