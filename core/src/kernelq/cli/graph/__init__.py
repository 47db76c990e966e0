"""Views of a plan. One deterministic model (`model.py`), one file for each view; nothing is started."""
