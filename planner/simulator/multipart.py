"""The parts of a `multipart/form-data` body."""

import re

from planner.simulator.errors import invalid
from planner.simulator.files import Upload

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="((?:[^"\\]|\\.)*)"')
_FILENAME = re.compile(rb'filename="((?:[^"\\]|\\.)*)"')


def parts(content_type: str, body: bytes) -> list[tuple[str, Upload]]:
    """Field name and content of each part, in order; a plain field has an empty file name.

    Raises:
        ApiError: 400 when the body is not what the content type says.
    """
    match = _BOUNDARY.search(content_type)
    if match is None or not content_type.lower().startswith("multipart/form-data"):
        raise invalid("Content-Type must be multipart/form-data with a boundary")
    delimiter = b"--" + match[1].encode()
    sections = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(sections) < 3 or not sections[-1].startswith(b"--"):
        raise invalid("The multipart body is incomplete")
    return [_part(section.removeprefix(b"\r\n")) for section in sections[1:-1]]


def _part(section: bytes) -> tuple[str, Upload]:
    head, _, data = section.partition(b"\r\n\r\n")
    name = _NAME.search(b";" + head)
    if name is None:
        raise invalid("A part of the multipart body has no name")
    filename = _FILENAME.search(head)
    kind = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:")), None)
    mime = None if kind is None else kind.split(b":", 1)[1].strip().decode("latin-1")
    spelled = b"" if filename is None else filename[1].replace(b'\\"', b'"').replace(b"%22", b'"')
    return name[1].decode(errors="replace"), Upload(name=spelled.decode(errors="replace"), data=data, mime_type=mime)
