"""Files of the Files API, by workspace: uploads cannot be downloaded again, what code wrote can."""

import mimetypes
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from planner.simulator.canonical import Json
from planner.simulator.containers import timestamp
from planner.simulator.errors import invalid, not_found
from planner.simulator.ids import RequestIds

DEFAULT_TYPE = "application/octet-stream"


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file and its metadata."""

    id: str
    workspace: str
    name: str
    mime_type: str
    data: bytes
    created: datetime
    expires: datetime | None = None
    downloadable: bool = False

    def metadata(self) -> Json:
        """The `FileMetadata` object."""
        return {
            "type": "file",
            "id": self.id,
            "filename": self.name,
            "mime_type": self.mime_type,
            "size_bytes": len(self.data),
            "created_at": timestamp(self.created),
            "expires_at": None if self.expires is None else timestamp(self.expires),
            "downloadable": self.downloadable,
        }


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What a client or a container hands over."""

    name: str
    data: bytes
    mime_type: str | None = None
    expires_in: int | None = None
    downloadable: bool = False


class Files:
    """All files of one simulator."""

    def __init__(self) -> None:
        self._all: dict[str, StoredFile] = {}

    def add(self, upload: Upload, workspace: str, ids: RequestIds, now: datetime) -> StoredFile:
        """Keep a file."""
        name = upload.name.replace("\\", "/").rsplit("/", 1)[-1] or "file"
        stored = StoredFile(
            id=ids.new("file"),
            workspace=workspace,
            name=name,
            mime_type=upload.mime_type or mimetypes.guess_type(name)[0] or DEFAULT_TYPE,
            data=upload.data,
            created=now,
            expires=None if upload.expires_in is None else now + timedelta(seconds=upload.expires_in),
            downloadable=upload.downloadable,
        )
        self._all[stored.id] = stored
        return stored

    def listed(self, workspace: str) -> Sequence[StoredFile]:
        """The files of a workspace, newest first."""
        return [stored for stored in reversed(self._all.values()) if stored.workspace == workspace]

    def get(self, file_id: str, workspace: str, now: datetime) -> StoredFile:
        """A file by id.

        Raises:
            ApiError: 404 when unknown here or expired.
        """
        stored = self._all.get(file_id)
        if stored is None or stored.workspace != workspace:
            raise not_found(f"File not found: {file_id}")
        if stored.expires is not None and now >= stored.expires:
            raise not_found(f"File has expired: {file_id}", error_code="file_expired")
        return stored

    def content(self, file_id: str, workspace: str, now: datetime) -> StoredFile:
        """A file to download.

        Raises:
            ApiError: 404 when unknown, 400 when it was uploaded rather than made by code.
        """
        stored = self.get(file_id, workspace, now)
        if not stored.downloadable:
            raise invalid(f"File is not downloadable: {file_id}", error_code="file_not_downloadable")
        return stored

    def delete(self, file_id: str, workspace: str, now: datetime) -> Json:
        """Forget a file; the answer is a `DeletedFile`."""
        del self._all[self.get(file_id, workspace, now).id]
        return {"id": file_id, "type": "file_deleted"}
