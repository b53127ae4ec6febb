"""Every option of every program, so that one of another program is told from a typo without loading them all.

Written by `make docs`.
"""

_NAMES = """
advertise
audio
cache
cache-mib
capacity
config
data
demo
device
events
fast
for
from
headless
heartbeat
home
host
idle
into
invite-only
join
json
lease
listen
map-port
max-load
max-streams
max-users
may-operate
music
name
no-events
no-fast
no-headless
no-host
no-invite-only
no-json
no-map-port
no-may-operate
no-mdns
no-no-host
no-no-mdns
no-password-stdin
no-quiet
no-verbose
no-watch
node
node-ports
orphan-grace
output
password-stdin
prime
quiet
records
replicas
search
session-grace
session-heartbeat
shared
sync-rate
ticket
track
ttl
upload-mbit
user
uses
verbose
watch
"""

OF_ANY_PROGRAM = frozenset(_NAMES.split())
