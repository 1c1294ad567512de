"""The read model's metadata: which generation is live, and what it was built with."""

import msgspec


class Meta(msgspec.Struct, frozen=True):
    """Without it there is no read model to read from."""

    generation: int
    """Counts rebuilds; a number is never used twice."""
    partitions: int
    """Partitions of the event topic."""
    model_version: int
    """`fold.MODEL_VERSION` of the code that writes this generation."""

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> "Meta":
        """The inverse of `encode`; raises `msgspec.DecodeError` for anything else."""
        return msgspec.json.decode(value, type=cls)
