"""snapserver and two snapclients, as Debian packages them; PCM over the line, everything else by default."""

import shutil
import socket
import threading
import time

from benchmarks.sync.stage import HOST, RATE_HZ, Stage
from tests.kit.simdac import SimDac

_PORT = 1704
_START_TIMEOUT_S = 10.0
_WAV_HEADER_BYTES = 44

_CONFIGURATION = """\
[server]
datadir = {folder}
pidfile = {folder}/pid
[http]
enabled = false
[tcp]
enabled = false
[stream]
port = {port}
source = file://{song}?name=noise&codec=pcm&sampleformat={rate_hz}:16:2
[logging]
sink = null
"""


def play(stage: Stage) -> None:
    """Raises FileNotFoundError without snapcast, TimeoutError if the server does not come up."""
    for program in ("snapserver", "snapclient"):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is missing: install {program}")
    pcm = stage.folder / "noise.pcm"
    pcm.write_bytes(stage.song.read_bytes()[_WAV_HEADER_BYTES:])
    settings = stage.folder / "snapserver.conf"
    settings.write_text(
        _CONFIGURATION.format(folder=stage.folder, port=_PORT, song=pcm, rate_hz=RATE_HZ), encoding="utf-8"
    )
    stage.run_host(["snapserver", "-c", settings])
    _wait_until_it_answers(stage)
    for index in (0, 1):
        argv = ["snapclient", "-h", stage.host_address, "-p", _PORT, "-s", SimDac.device, "--player", "alsa"]
        stage.run_follower(index, [*map(str, argv), "--mixer", "none", "--hostID", str(index)])


def _wait_until_it_answers(stage: Stage) -> None:
    deadline, pause = time.monotonic() + _START_TIMEOUT_S, threading.Event()
    with stage.wan.inside(HOST):
        while time.monotonic() < deadline:
            try:
                socket.create_connection((stage.host_address, _PORT), timeout=1).close()
                return
            except ConnectionRefusedError:
                pause.wait(0.05)
    raise TimeoutError(f"snapserver does not answer on port {_PORT}")
