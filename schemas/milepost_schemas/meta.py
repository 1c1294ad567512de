"""The read model's metadata: which generation is live, and what it was built with."""

import msgspec


class Building(msgspec.Struct, frozen=True):
    """A generation that a rebuild fills while another one is live."""

    generation: int
    partitions: int
    model_version: int
    owner: str
    """The rebuild that may switch to it, by a name that no other ever has."""


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """Without it there is no read model to read from."""

    generation: int
    """Counts rebuilds; a number is never used twice."""
    partitions: int
    """Partitions of the event topic."""
    model_version: int
    """`fold.MODEL_VERSION` of the code that writes this generation."""
    highest: int = 0
    """The highest number that a rebuild was ever given, whatever became of it."""
    building: Building | None = None
    switch: str = ""
    """While the switch to `building` is under way: a name that no other switch ever has."""

    @property
    def next_generation(self) -> int:
        """A number that no generation has had."""
        return max(self.generation, self.highest) + 1

    def without_building(self) -> "Meta":
        """As if there were no rebuild; the number that it was given stays given."""
        return Meta(self.generation, self.partitions, self.model_version, self.highest)

    def forward(self, newest: "Meta") -> "Meta":
        """These metadata after a loss that went back behind the switch to a newer generation.

        What was filled of it before that switch goes on, if it is of the same code.
        """
        building, highest = self.building, max(self.highest, newest.generation)
        if building is not None and building.generation == newest.generation:
            return Meta(building.generation, building.partitions, building.model_version, highest)
        return Meta(newest.generation, newest.partitions, newest.model_version, highest)

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> "Meta":
        """The inverse of `encode`; raises `msgspec.DecodeError` for anything else."""
        return msgspec.json.decode(value, type=cls)
