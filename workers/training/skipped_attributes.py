"""Has Keras remember which attributes of an object are no state, which it looks up for each object that it saves.

It means to: `keras.src.saving.saving_lib.get_attr_skipset` writes what it found under another name than it reads
(Keras 3.15), and so makes a layer, a metric or an optimizer each time, only to list what they have. That took half of
the time in which a network of 270 layers was saved.
"""

from functools import cache

from keras.src.saving import saving_lib


def remember_skipped_attributes() -> None:
    """Look each kind of object up once in this process."""
    saving_lib.get_attr_skipset = cache(saving_lib.get_attr_skipset)
