"""The small files that both the gateway and a profile's workers read or write.

Each module says where a file is, what it contains, and who writes it. This package uses the
standard library and msgspec only. Begin at :mod:`.whole_file`.
"""
