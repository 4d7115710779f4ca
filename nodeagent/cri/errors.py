"""The errors of the container runtime's edge: one class, translated from gRPC in `cri/client.py` alone."""

import grpc

_RETRYABLE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "RESOURCE_EXHAUSTED"})


class CRIError(Exception):
    """The runtime refused, failed or could not be reached.

    `code` is gRPC's name of the status (`NOT_FOUND`); `retryable` says that the same call may succeed later
    without anything being changed. `str(error)` is the runtime's own text.
    """

    def __init__(self, message: str, code: str = "UNKNOWN") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def retryable(self) -> bool:
        return self.code in _RETRYABLE

    @property
    def not_found(self) -> bool:
        return self.code == "NOT_FOUND"

    @property
    def rpc_text(self) -> str:
        """The text as gRPC for Go words it, which upstream's Events and statuses quote."""
        name = "".join(part.capitalize() for part in self.code.split("_"))
        return f"rpc error: code = {name} desc = {self.message}"


def from_grpc(error: grpc.aio.AioRpcError) -> CRIError:
    """Return the `CRIError` that a gRPC error means."""
    return CRIError(error.details() or error.code().name, error.code().name)
