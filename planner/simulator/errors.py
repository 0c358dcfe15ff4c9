"""Every refusal the simulated API can give is one `ApiError`, rendered once, in Anthropic's error shape."""

from collections.abc import Mapping

import msgspec

TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

MESSAGES: Mapping[int, str] = {
    429: "This request would exceed your organization's rate limit.",
    500: "Internal server error",
    504: "Request timed out.",
    529: "Overloaded",
}


class ApiError(Exception):
    """A refusal: HTTP status, error type, message and optional `details` (`error_code` and what goes with it)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def value(self, request_id: str) -> dict[str, object]:
        """The error as a JSON value: `{type, error: {type, message}, request_id}`."""
        error: dict[str, object] = {"type": TYPES.get(self.status, "api_error"), "message": self.message}
        if self.details is not None:
            error["details"] = dict(self.details)
        return {"type": "error", "error": error, "request_id": request_id}

    def body(self, request_id: str) -> bytes:
        """The error as bytes of JSON."""
        return msgspec.json.encode(self.value(request_id))


def invalid(message: str, **details: object) -> ApiError:
    """A 400 `invalid_request_error`."""
    return ApiError(400, message, details=details or None)


def not_found(message: str, **details: object) -> ApiError:
    """A 404 `not_found_error`."""
    return ApiError(404, message, details=details or None)
