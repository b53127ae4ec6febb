"""Every text of the window, in one place: a translation replaces this module.

Constants are whole sentences or labels; functions take what varies. Icons, sizes and order are elsewhere.
"""

APP = "Hocket"

# -- log-in
LOGIN_TITLE = "Listen to your music, from any machine"
LOGIN_HINT = "Log in at the machine that runs the cluster."
SERVER = "Server"
SERVER_PLACEHOLDER = "HOST:PORT or hocket:// address"
USER = "User name"
PASSWORD = "Password"
KEEP_PASSWORD = "Keep the password in this system's keyring"
LOG_IN = "Log in"
LOGGING_IN = "Logging in…"
FIRST_CONTACT = "You meet this cluster for the first time"
FIRST_CONTACT_HINT = "Compare this fingerprint with the one that whoever runs the cluster tells you. Is it the same?"
TRUST = "It is the same: log in"
DO_NOT_TRUST = "Cancel"
KEYRING_FAILED = "The password could not be kept"
KEYRING_HINT = "This system offers no keyring. You are logged in all the same."
SHOW_PASSWORD = "Show the password"

SERVER_MISSING = "Where is the server?"
USER_MISSING = "Who are you?"
PASSWORD_MISSING = "The password is missing"
FILL_IN = "Fill in the field that is marked."

# -- what went wrong, by error code; the engine's own words and hint follow below these titles
TITLES = {
    "LOGIN_REFUSED": "Wrong user name or password",
    "TOO_MANY_ATTEMPTS": "Too many attempts",
    "CLUSTER_FULL": "The cluster is full",
    "NODE_FULL": "That node is full",
    "NOT_REACHABLE": "The server does not answer",
    "TIMED_OUT": "The server took too long",
    "CONNECTION_LOST": "The connection is lost",
    "FINGERPRINT_CHANGED": "This is not the cluster that you know",
    "CERTIFICATE_REFUSED": "The server could not prove who it is",
    "SESSION_ENDED": "Your session has ended",
    "TRACK_MISSING": "This song is gone",
    "TRACK_UNPLAYABLE": "This song cannot play",
    "TRACK_DAMAGED": "This song is damaged",
    "PLAYBACK_LOST": "The music was interrupted",
    "SOUND_DEVICE": "No sound",
    "NOT_ALLOWED": "Not allowed",
    "VERSION_TOO_OLD": "This program is too old for the cluster",
    "VERSION_TOO_NEW": "The cluster is too old for this program",
    "INVITE_REFUSED": "This invite lets nobody in",
}
TITLE_OTHER = "Something went wrong"
BAD_ADDRESS = "That is no address"
BAD_ADDRESS_HINT = "Write HOST:PORT, as in 192.168.1.5:50001, or paste a hocket:// address."
HINTS = {
    "LOGIN_REFUSED": "Mind capital letters. Whoever looks after the cluster can set a new password.",
    "NOT_REACHABLE": "Check the address, and whether primeNODE.py runs there and listens beyond its own machine.",
    "TIMED_OUT": "Try again in a moment.",
    "CLUSTER_FULL": "Try again later, or ask whoever looks after the cluster to add a machine.",
    "FINGERPRINT_CHANGED": (
        "Somebody may be listening in, or the cluster was set up anew. Ask whoever runs it for its hocket:// "
        "address and paste that as the server."
    ),
}
"""What to do, where the window can say it better than the engine does for a terminal."""

# -- pages
SONGS = "Songs"
NOW_PLAYING = "Now playing"
QUEUE = "Queue"
TOGETHER = "Listen together"
CLUSTER = "Cluster"
PAGES = "Pages"

# -- songs
SEARCH = "Search songs, artists, albums"
REFRESH = "Get the song list again"
TITLE = "Title"
ARTIST = "Artist"
ALBUM = "Album"
LENGTH = "Length"
PLAY = "Play"
PLAY_NEXT = "Play next"
ADD_TO_QUEUE = "Add to queue"
SONG_TABLE = "Songs of the library"
LOADING_SONGS = "Loading the song list…"
NO_SONGS = "No songs yet"
NO_SONGS_HINT = "Put WAV files into the music folder of a machine of the cluster; they appear here by themselves."
NO_MATCH = "Nothing matches"
NO_MATCH_HINT = "Try fewer words. Titles, artists, albums and file names are searched, with or without accents."
CLEAR_SEARCH = "Clear the search"
CANNOT_PLAY = "cannot play"
IS_PLAYING = "playing"
LIST_FAILED = "The song list could not be loaded"


def song_count(shown: int, total: int) -> str:
    """Below the page's title."""
    songs = "song" if total == 1 else "songs"
    return f"{total:,} {songs}" if shown == total else f"{shown:,} of {total:,} {songs}"


def added(count: int) -> str:
    return "Added to the queue" if count == 1 else f"{count:,} songs added to the queue"


def plays_next(count: int) -> str:
    return "Plays next" if count == 1 else f"{count:,} songs play next"


# -- the player
PAUSE = "Pause"
RESUME = "Play"
STOP = "Stop"
PREVIOUS = "Previous song"
NEXT = "Next song"
SHUFFLE_ON = "Shuffle is on"
SHUFFLE_OFF = "Shuffle is off"
REPEAT = {"off": "Repeat is off", "all": "Repeat all", "one": "Repeat this song"}
VOLUME = "Volume"
MUTE = "Mute"
UNMUTE = "Unmute"
SHOW_QUEUE = "Show the queue"
HIDE_QUEUE = "Hide the queue"
SEEK_BAR = "Position in the song"
SHOW_SIDE = "Open the page of what plays"
NOTHING_PLAYS = "Nothing plays"
NOTHING_PLAYS_HINT = "Double-click a song, or select one and press Enter."
LOADING = "Loading…"
STALLED = "Waiting for the network…"
PAUSED = "Paused"
UNKNOWN_ARTIST = "Unknown artist"
FROM_CACHE = "From this computer's cache"
WHERE_FROM = "Where the sound comes from"
SOURCE = "Source"
BUFFER = "Ahead of what you hear"
OUTPUT = "Output"
FORMAT = "Format"
SESSION_AT = "Session"
OUTPUTS = {"speakers": "Speakers", "null": "No sound device: silent"}
COVER = "Cover"
PRIME_AWAY = "The prime is out of reach"
PRIME_AWAY_HINT = "The music goes on; the list and log-ins wait until it is back."


def node_source(node: str) -> str:
    return f"Streaming node {node}"


def via(source: str) -> str:
    """In the player bar, where room is short."""
    return FROM_CACHE if source == "cache" else f"via {source}" if source else ""


def seconds_ahead(seconds: float) -> str:
    return f"{seconds:.1f} s"


def channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def sound_format(rate_hz: int, bits: int, is_float: bool, channel_count: int) -> str:
    depth = f"{bits} bit float" if is_float else f"{bits} bit"
    return f"{rate_hz / 1000:g} kHz · {depth} · {channels(channel_count)}"


def moved(to: str, why: str) -> str:
    return f"{to} plays on: {why}"


# -- the queue
QUEUE_EMPTY = "The queue is empty"
QUEUE_EMPTY_HINT = "Songs that you play or add wait here for their turn."
REMOVE = "Remove from the queue"
CLEAR_QUEUE = "Clear"
MOVE_UP = "Move up"
MOVE_DOWN = "Move down"

# -- listening together
HOST_ON = "Let friends listen along"
HOST_HINT = "While you play, friends who have this address hear the same moment as you."
SHARE_ADDRESS = "Your address"
COPY = "Copy"
COPIED = "Copied"
JOIN_TITLE = "Join a friend"
JOIN_HINT = "Type their address or paste an invite. You hear what they hear, in step."
JOIN_PLACEHOLDER = "HOST:PORT or invite"
JOIN = "Join"
LEAVE = "Leave"
NEARBY = "Friends nearby"
NEARBY_NOBODY = "Nobody in this network lets friends listen along just now."
NEARBY_INVITE = "by invite"
WHO_IS_HERE = "Who is here"
NOBODY_YET = "Nobody yet"
NOBODY_YET_HINT = "Friends who join appear here."
NOT_HOSTING = "Nobody is let in"
HOSTS_WHEN_PLAYING = "Friends can join as soon as you play something"
YOU = "You"
YOU_ARE_HOST = "You lead: everyone hears what you play"
MORE = "What to do about"
SEND_AWAY = "Send away"
BAN = "Send away for a day"
INVITES = "Invites"
INVITES_HINT = "An invite is a line to paste. It says how long and how often it is good, and what your friend may do."
INVITE_LIFE = "Good for"
INVITE_USES = "How many friends can use it"
INVITE_CONTROL = "May pause, seek, skip and suggest"
MAKE_INVITE = "Make an invite"
COPY_INVITE = "Copy this invite"
REVOKE = "Withdraw"
INVITE_READY = "The invite is on the clipboard"
INVITE_READY_HINT = "Paste it where your friend reads it."
SCOPES = {"listen": "May listen", "control": "May listen and steer"}
SEPARATOR = "  ·  "


def following(host: str) -> str:
    return f"You hear what {host} plays, in step"


def with_friend(host: str) -> str:
    """In the player bar, where room is short."""
    return f"with {host}"


WITH_FRIENDS = "with friends"


def host_paused(host: str) -> str:
    return f"{host} has paused"


def you_lead_now(before: str) -> str:
    return f"{before} has left: you lead now"


def leads_now(host: str) -> str:
    return f"{host} leads now"


def nobody_leads(before: str) -> str:
    return f"{before} has stopped playing for others"


FRIEND_LEADS = "A friend leads now"
YOU_LEAD = "You lead now"


def offset_ms(offset: float) -> str:
    shown = f"{offset:+.2f} ms".replace("-", "−")
    return shown[1:] if shown in ("+0.00 ms", "−0.00 ms") else shown


def round_trip_ms(trip: float, jitter: float) -> str:
    """`jitter`: by how much it differs."""
    return f"ping {_some_ms(trip)} ms ± {_some_ms(jitter)}" if jitter else f"ping {_some_ms(trip)} ms"


def _some_ms(ms: float) -> str:
    return f"{ms:.0f}" if ms >= 10 else f"{ms:.1f}"


def lost_percent(lost: float) -> str:
    return f"{lost:.1f} % lost"


def buffer_s(seconds: float) -> str:
    return f"{seconds:.1f} s ahead"


def sent_away(name: str) -> str:
    return f"{name} was sent away"


def mapping(answer: str, why: str) -> str:
    """What the router said when it was asked to let friends in."""
    said = {
        "mapped": "Your router lets friends in from elsewhere.",
        "behind_another_router": "Another router stands in front of yours: friends elsewhere come in by the prime.",
        "refused": "Your router refused to let friends in from elsewhere.",
        "none": "No router here opens ports by itself.",
    }.get(answer, "")
    return f"{said} {why}".strip()


def reach(how: str, via: str) -> str:
    """By which way whom one follows is reached."""
    ways = {
        "direct": "connected directly",
        "mapped": "connected through a port that their router opened",
        "punched": "connected directly, through both routers",
        "relayed": f"in touch through the prime, music from {via}",
        "through-node": f"in touch through the prime, music from {via or 'a streaming node'}",
    }
    return ways.get(how, how)


def duration(seconds: int) -> str:
    """In the largest unit that is whole enough: 15 minutes, 1 hour, 7 days."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size or size == 60:
            count = max(1, round(seconds / size))
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    raise AssertionError("minutes fit always")


def friends(count: int) -> str:
    return "1 friend" if count == 1 else f"{count} friends"


def invite_detail(used: int, uses: int, left_s: int, names: tuple[str, ...], revoked: bool) -> str:
    """How much of an invite is left, and who came by it."""
    came = ", ".join(names)
    if revoked:
        state = "withdrawn"
    elif used >= uses:
        state = "used up"
    else:
        state = f"{used} of {uses} used{SEPARATOR}{duration(left_s)} left"
    return f"{state}{SEPARATOR}{came}" if came else state


STEPS = {"good": "in step", "fair": "nearly in step", "poor": "out of step", "": "leads"}
LINE_QUALITY = {"good": "good line", "fair": "fair line", "poor": "weak line"}

# -- the cluster
YOUR_NODES = "Where you are"
YOU_ARE_AT = "Prime"
YOUR_SESSION = "Session kept by"
YOUR_STREAM = "Music from"
REACHABLE = "in reach"
UNREACHABLE = "out of reach"
NONE = "none just now"
MACHINES = "Machines and nodes"
LISTENERS = "Listeners"
THROUGHPUT = "Throughput"
THROUGHPUT_UNIT = "MB/s"
MISSING_COPIES = "Copies missing"
SPAWN_AUTH = "Add log-in node"
SPAWN_FILE = "Add streaming node"
DRAIN = "Drain"
DRAIN_HINT = "No new listeners; those that are here move on; then it ends"
LAST_MINUTES = "the last minutes"
ROLES = {"prime": "Prime", "plane": "Plane", "auth": "Log-in node", "file": "Streaming node"}
STATES = {
    "starting": "starting",
    "ready": "ready",
    "draining": "draining",
    "suspect": "not heard",
    "stopping": "stopping",
    "crashed": "crashed",
    "waiting": "waits to start",
}
NOT_OPERATOR = "What each machine carries is shown to accounts that may operate the cluster."


def load(taken: int, places: int) -> str:
    return f"{taken} of {places}"


def megabytes_per_s(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1e6:.1f} MB/s"


def scanning(done: int, total: int) -> str:
    return f"Reading new music: {100 * done // max(1, total)} %"


def spawned(role: str) -> str:
    return f"{ROLES[role]} is starting"


def draining(node: str) -> str:
    return f"{node} is draining"


def up_since(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"up {minutes} min"
    return f"up {minutes // 60} h {minutes % 60} min" if minutes < 1440 else f"up {minutes // 1440} d"


# -- the window's own menu
MENU = "Menu"
THEME = "Appearance"
THEMES = {"system": "Like the system", "light": "Light", "dark": "Dark"}
LOG_OUT = "Log out"
QUIT = "Quit"
SHOW_WINDOW = "Show the window"
CLOSE_TO_TRAY = "Keep playing when the window is closed"
KEYS = "Keys"
KEY_LIST = (
    ("Space", "Play or pause"),
    ("← →", "Five seconds back or ahead"),
    ("Ctrl ← →", "Previous or next song"),
    ("Ctrl ↑ ↓", "Volume"),
    ("Ctrl M", "Mute"),
    ("Ctrl F", "Search"),
    ("Enter", "Play the selected song"),
    ("Ctrl Enter", "Play it next"),
    ("Shift Enter", "Add it to the queue"),
    ("Ctrl 1 … 4", "Pages"),
    ("Ctrl J", "Queue"),
    ("Alt ↑ ↓, Del", "In the queue: move, remove"),
    ("F5", "Get the song list again"),
    ("Ctrl Q", "Quit"),
)
DISMISS = "Close this message"


def time(seconds: float) -> str:
    """1:02, or 1:02:03 from an hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def remaining(seconds: float) -> str:
    return f"−{time(seconds)}"


def window_title(title: str, artist: str) -> str:
    if not title:
        return APP
    return f"{title} – {artist}" if artist else title
