"""A track as the cluster vouches for it: what it is, and what its bytes must be."""

import msgspec

from hocket.core.track import Track
from hocket.relay.chunks import ChunkMismatch, Manifest, SignedManifest, TrackCheck, sign_manifest
from hocket.relay.keys import Sign, canonical, is_signed_by


class Vouched(msgspec.Struct, frozen=True, array_like=True):
    """Both under the cluster's signature: a peer can change neither the samples nor how they are to be played."""

    track: Track
    track_signature: bytes
    manifest: SignedManifest


def vouch(track: Track, manifest: Manifest, sign: Sign) -> bytes:
    """What travels among friends."""
    return msgspec.msgpack.encode(Vouched(track, sign(canonical(track)), sign_manifest(manifest, sign)))


def read_vouched(blob: bytes, cluster_key: bytes) -> tuple[Track, TrackCheck]:
    """The track and a check for its bytes. Raises ChunkMismatch unless the cluster signed for both."""
    try:
        vouched = msgspec.msgpack.decode(blob, type=Vouched)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ChunkMismatch("the manifest is damaged", hint="ask another peer") from None
    track = vouched.track
    if not is_signed_by(cluster_key, vouched.track_signature, track):
        raise ChunkMismatch(f"the cluster does not vouch for {track.id}", hint="ask another peer")
    check = TrackCheck(vouched.manifest, track.id, cluster_key)
    if check.manifest.size_bytes != track.size_bytes:
        raise ChunkMismatch(f"the manifest of {track.id} is of another size", hint="ask another peer")
    return track, check
