"""The small files that the gateway's side and a profile's workers both keep.

Each module says where one lies, what is in it, and who writes it. May use the standard library
only. Begin at :mod:`.whole_file`.
"""
