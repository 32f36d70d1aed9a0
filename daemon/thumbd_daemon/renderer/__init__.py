"""Renderers: they turn an open file into raw pixels and touch nothing else. The only package with decoders.

``__main__`` is the loop, ``recipe`` makes a picture fit, ``modes`` brings odd pixels to 8 bit, ``colours`` to sRGB,
``limits`` makes the process small and humble.
"""
