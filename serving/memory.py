"""How often Python looks for garbage while the service runs."""

import gc

YOUNG_OBJECTS = 20_000
"""So many more made than let go of before they are searched for garbage: at Python's 700 all that
belongs to declarations decided together would be walked again and again, and all of it is alive."""


def search_less_for_garbage() -> None:
    """Leave out what is loaded, which every full search would walk for 100 ms, and wait longer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
