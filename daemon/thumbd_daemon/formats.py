"""Which files claim to be pictures: facts about names and first bytes, for scouts, which decode nothing.

A file is taken for a picture when its extension *or* its first 32 bytes say so; what it really is, only a renderer
finds out. The formats are those that Pillow decodes by itself (no helper programs, no stubs); a test keeps this
table and Pillow's registry in step. Source of the MIME types: the shared-mime-info database.
"""

from typing import Final

#: Bytes at a file's beginning that `claimed_by_content` wants to see.
SNIFF_BYTES: Final = 32

#: MIME type by Pillow's name of the format; these are the formats that renderers may open.
MIME: Final[dict[str, str]] = {
    "AVIF": "image/avif",
    "BLP": "image/x-blp",
    "BMP": "image/bmp",
    "CUR": "image/x-win-bitmap",
    "DCX": "image/x-dcx",
    "DDS": "image/x-dds",
    "DIB": "image/bmp",
    "FITS": "image/fits",
    "FLI": "video/x-flic",
    "FTEX": "image/x-ftex",
    "GBR": "image/x-gimp-gbr",
    "GIF": "image/gif",
    "ICNS": "image/x-icns",
    "ICO": "image/vnd.microsoft.icon",
    "IM": "image/x-im",
    "IMT": "image/x-imt",
    "JPEG": "image/jpeg",
    "JPEG2000": "image/jp2",
    "MCIDAS": "image/x-mcidas",
    "MPO": "image/mpo",
    "MSP": "image/x-msp",
    "PCD": "image/x-photo-cd",
    "PCX": "image/vnd.zbrush.pcx",
    "PIXAR": "image/x-pixar",
    "PNG": "image/png",
    "PPM": "image/x-portable-anymap",
    "PSD": "image/vnd.adobe.photoshop",
    "QOI": "image/qoi",
    "SGI": "image/x-sgi",
    "SPIDER": "image/x-spider",
    "SUN": "image/x-sun-raster",
    "TGA": "image/x-tga",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "XBM": "image/x-xbitmap",
    "XPM": "image/x-xpixmap",
    "XVTHUMB": "image/x-xvthumb",
}

_EXTENSIONS: Final[dict[str, str]] = {
    "AVIF": "avif avifs",
    "BLP": "blp",
    "BMP": "bmp dib",
    "CUR": "cur",
    "DCX": "dcx",
    "DDS": "dds",
    "FITS": "fits fit",
    "FLI": "fli flc",
    "FTEX": "ftc ftu",
    "GBR": "gbr",
    "GIF": "gif",
    "ICNS": "icns",
    "ICO": "ico",
    "IM": "im",
    "JPEG": "jpg jpeg jpe jfif",
    "JPEG2000": "jp2 j2k j2c jpc jpf jpx",
    "MPO": "mpo",
    "MSP": "msp",
    "PCD": "pcd",
    "PCX": "pcx",
    "PIXAR": "pxr",
    "PNG": "png apng",
    "PPM": "pbm pgm ppm pnm pfm",
    "PSD": "psd",
    "QOI": "qoi",
    "SGI": "sgi rgb rgba bw",
    "SPIDER": "spider",
    "SUN": "ras",
    "TGA": "tga icb vda vst",
    "TIFF": "tif tiff",
    "WEBP": "webp",
    "XBM": "xbm",
    "XPM": "xpm",
}

#: Pillow's name of the format by lower-case extension (without the dot).
BY_EXTENSION: Final[dict[bytes, str]] = {
    extension.encode(): name for name, extensions in _EXTENSIONS.items() for extension in extensions.split()
}

#: First bytes that leave no doubt. Weak magic numbers (two bytes and less) are left to the extension.
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51\0", "JPEG2000"),
    (b"8BPS\0\x01", "PSD"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"icns", "ICNS"),
    (b"\x59\xa6\x6a\x95", "SUN"),
    (b"/* XPM */", "XPM"),
    (b"SIMPLE  =", "FITS"),
)


def claimed_by_name(name: bytes) -> str | None:
    """The format that a file's name claims, by Pillow's name of it."""
    stem, dot, extension = name.rpartition(b".")
    return BY_EXTENSION.get(extension.lower()) if dot and stem else None


def claimed_by_content(head: bytes) -> str | None:
    """The format that a file's first `SNIFF_BYTES` bytes claim."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) >= 18:
        return "BMP"
    return None


def mime_of(name: str) -> str:
    """The MIME type of a format; ``application/octet-stream`` for one that is not in the table."""
    return MIME.get(name, "application/octet-stream")
