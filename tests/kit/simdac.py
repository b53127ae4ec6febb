"""Sound cards without sound: converters with a clock error of their own that record what really left them.

    with SimDac(ppm=100) as a, SimDac(ppm=-100) as b:
        Program([..., "--device", a.device], env=a.env)
        ...
        print(offsets(a.recording(), b.recording(), skip_s=15))

Any ALSA program plays through one: PortAudio (host API ALSA), aplay, snapclient. Each has an ALSA configuration
of its own, in which it is the only device and the default. Needs gcc, libasound2-dev, and numpy to analyse.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tests.kit import cbuild

if TYPE_CHECKING:
    from tests.kit.offset import Recording

_CONFIGURATION = """\
pcm_type.simdac {{ lib "{library}" }}
pcm.{device} {{
    type simdac
    folder "{folder}"
    ppm {ppm:.6f}
    hint {{ show on description "a simulated converter" }}
}}
pcm.!default {{ type plug slave.pcm "{device}" }}
defaults.namehint.showall off
defaults.namehint.basic on
defaults.namehint.extended on
"""


class SimDac:
    """Use it as a context, around the programs that play through it.

    ppm: how much faster than true it plays. folder: keeps the recording; else it goes with the context.
    Raises cbuild.BuildFailed without a C compiler or ALSA's headers.
    """

    device = "simdac"
    """What players call it; `default` converts other formats first. It takes 16, 24 and 32 bits and floats,
    1 to 8 channels, 8 to 192 kHz."""

    def __init__(self, *, ppm: float = 0.0, folder: Path | None = None) -> None:
        library = cbuild.shared_library("simdac", "asound", "m")
        self.ppm = ppm
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="simdac-")) if folder is None else folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._asound = self.folder / "asound.conf"
        self._asound.write_text(
            _CONFIGURATION.format(library=library, device=self.device, folder=self.folder, ppm=ppm), encoding="utf-8"
        )

    @property
    def env(self) -> dict[str, str]:
        """What a player needs in its environment to find this device and no other."""
        return {"ALSA_CONFIG_PATH": str(self._asound)}

    def recording(self) -> "Recording":
        """What left the converter so far. Raises FileNotFoundError if nothing did."""
        from tests.kit.offset import Recording

        return Recording.load(self.folder)

    def close(self) -> None:
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
