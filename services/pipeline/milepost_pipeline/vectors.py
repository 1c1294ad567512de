"""Vectors of texts, by wordllama's static embeddings from its own wheel."""

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from wordllama import WordLlamaInference

DIMENSIONS = 256


class Embedder:
    """Turns texts into unit vectors. The model is loaded at first use; any thread may call."""

    def __init__(self) -> None:
        self._loading = threading.Lock()

    def embed(self, texts: list[str]) -> "NDArray[np.float32]":
        """Return one row of 256 numbers per text; all zero where no word is known."""
        import numpy as np  # noqa: PLC0415  0.3 s of start-up that a command may not need

        with self._loading:
            model = self._model
        vectors = model.embed(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(
            vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0
        )
        return unit

    @cached_property
    def _model(self) -> "WordLlamaInference":
        import wordllama  # noqa: PLC0415  0.5 s and 25 MB, only where something is embedded

        # The loader looks into "tokenizer/" of its package and "tokenizers/" of the cache
        # folder, and the wheel has the latter: so the package is the cache.
        package = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(cache_dir=package, dim=DIMENSIONS, disable_download=True)


def from_bytes(data: bytes) -> "NDArray[np.float32]":
    """Return the rows that `embed` returned, from their bytes."""
    import numpy as np  # noqa: PLC0415  as above

    return np.frombuffer(data, dtype=np.float32).reshape(-1, DIMENSIONS)
