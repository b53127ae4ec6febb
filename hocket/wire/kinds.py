"""Message numbers. Append-only: a number once given away is never given to another message."""

from enum import IntEnum


class Kind(IntEnum):
    """The `kind` field of a frame's header."""

    # everyone: 1-15
    HELLO = 1
    ERROR = 2
    DONE = 3
    PING = 4
    PONG = 5
    AUTHORITY_GET = 6
    AUTHORITY = 7
    PRESENT = 8
    PRESENTED = 9

    # finding a node and logging in: 16-39
    FIND_LOGIN = 16
    LOGIN_AT = 17
    FIND_STREAM = 18
    STREAM_AT = 19
    LOGIN = 20
    RESUME = 21
    LOGGED_IN = 22
    SESSION_HEARTBEAT = 23
    FRESH_TICKET = 24
    LOG_OUT = 25
    SESSION_ENDED = 26

    # tracks: 40-59
    LIST_TRACKS = 40
    TRACK_PAGE = 41
    FIND_TRACK = 42
    TRACK_FOUND = 43
    OPEN_TRACK = 44
    TRACK_OPENED = 45
    READ = 46
    CHUNK = 47
    CLOSE_TRACK = 48
    CATALOGUE_CHANGED = 49
    NODE_DRAINING = 50
    WAVEFORM_GET = 51
    WAVEFORM = 52
    COVER_GET = 53
    COVER_OPENED = 54

    # nodes and their prime: 60-99
    REGISTER = 60
    REGISTERED = 61
    HEARTBEAT = 62
    HEARTBEAT_HEARD = 63
    SEAT_RESERVE = 64
    SEAT_RESERVED = 65
    ACCOUNT_GET = 66
    ACCOUNT = 67
    ATTEMPT_RESULT = 68
    DRAIN = 69
    RETIRE = 70
    END_SESSIONS = 71
    CATALOGUE_REFRESH = 72
    GRANT_RENEW = 73
    PASSWORD_REHASH = 74

    # joining, planes and their children: 75-99
    JOIN = 75
    JOINED = 76
    CERTIFY = 77
    CERTIFIED = 78
    SPAWN_CHILD = 79
    CHILD_GONE = 80
    SUPERVISED = 81
    NODES_REMOVED = 82
    AUTH_NODES = 83

    # the operator: 100-139
    STATUS_GET = 100
    STATUS = 101
    USERS_LIST = 102
    USERS = 103
    USER_ADD = 104
    USER_PASSWORD = 105
    USER_DISABLE = 106
    USER_REMOVE = 107
    INVITE_GET = 108
    INVITE = 109
    DRAIN_NODE = 110
    SPAWN_NODE = 111
    SPAWNED = 112
    TOKEN_MAKE = 113
    TOKEN = 114
    NODE_REMOVE = 115

    # friends who listen together: 170-219
    ADMITTED = 170
    JOIN_FRIEND = 171
    ASK_TIME = 172
    TIME_IS = 173
    LINE_NEWS = 174
    REIGN_NEWS = 175
    HANDOVER_NEWS = 176
    QUEUE_NEWS = 177
    MANIFEST_IS = 178
    ASK_MANIFEST = 179
    PAGE_IS = 180
    ASK_PAGE = 181
    LEAF_IS = 182
    ASK_LEAF = 183
    LEAF_NEWS = 184
    REPORT = 185
    MEMBERS = 186
    PARENTS = 187
    WISH = 188
    TRACK_VOUCHED = 189
    GET_MANIFEST = 190
    MANIFEST_PAGE = 191
    GET_MANIFEST_PAGE = 192
    PULSE = 193
    LISTENS = 194
    TRACK_NEWS = 195
    LEDGER_NEWS = 196
    TIME_PACE = 197
    HELD = 198
    ASK_DISTANCES = 199
    DISTANCES = 200

    # friends who cannot reach one another, by way of the prime: 208-219
    HOST_SEEN = 209
    HOST_HERE = 210
    FRIEND_COMES = 211
    MEETING_AT = 212
    MEET_HOST = 213
    MEET_NOW = 214
    CARRY = 215
    CARRIED = 216
    CARRY_END = 217
    CARRY_ENDED = 218

    # one library on many machines: 140-169
    HOLDS_PAGE = 140
    HOLDS_CHANGED = 141
    REPLICA_STATE = 142
    FETCH_ORDER = 143
    FETCH_CANCEL = 144
    FETCH_ENDED = 145
    RENAME_COPY = 146
    DISCARD = 147
    DISCARDED = 148
    PUT_BACK = 149
    SYNC_PAUSE = 150
    OPEN_FILE = 151
    COPIES_LIST = 152
    COPIES = 153
    TRACK_REMOVE = 154
    TRACK_RESTORE = 155
    TRACK_CHANGED = 156
    GO_PLAIN = 157
    TRACKS_ELSEWHERE = 158
    LEAVES = 159
    LEAVES_GET = 160
