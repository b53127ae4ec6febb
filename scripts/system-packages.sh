#!/usr/bin/env bash
# See that packages of the system are there: scripts/system-packages.sh play|test
# With root and apt it installs those that are missing and names them; otherwise it prints the one
# command that does. Without apt it says what is needed and goes on: other systems name it otherwise.
set -euo pipefail

# Sound through PortAudio, also by way of PulseAudio or PipeWire; the window's X11 and GL libraries.
play="libportaudio2 libasound2-plugins libgl1 libegl1 libglib2.0-0 libfontconfig1 libdbus-1-3
      libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
# Servers that tests start by themselves in folders of their own: a sound daemon and a database. A network of
# namespaces; simulated sound cards and wrong clocks, which are libraries in C. A display of no screen with a
# window manager, a message bus, and fonts that have the letters.
test="$play pulseaudio pulseaudio-utils postgresql iproute2 gcc libc6-dev libasound2-dev alsa-utils
      xvfb xdotool openbox dbus fonts-inter fonts-noto-cjk"

case "${1:-}" in
play) wanted=$play ;;
test) wanted=$test ;;
*) echo "usage: $0 play|test" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "note: this system has no apt; see that it has what Debian calls:" $wanted
    exit 0
fi

installed() {
    dpkg-query --show --showformat='${db:Status-Abbrev} ${binary:Package}\n${db:Status-Abbrev} ${Provides}\n' 2>/dev/null |
        sed -n 's/^ii *//p' | tr ',' '\n' | sed 's/^ *//; s/[: ].*//' | sort -u
}

# A package may have been renamed (libglib2.0-0 became libglib2.0-0t64): what another one provides counts.
missing=$(comm -23 <(printf '%s\n' $wanted | sort -u) <(installed))
if [ -z "$missing" ]; then
    exit 0
fi
missing=$(echo $missing)
if [ "$(id -u)" != 0 ]; then
    echo "error: packages of the system are missing; install them with:" >&2
    echo "  sudo apt-get install --no-install-recommends $missing" >&2
    exit 1
fi
echo "installing packages of the system: $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Tests start a database cluster of their own: keep the package from making and starting one as well.
no_cluster=/etc/postgresql-common/createcluster.conf
case " $missing " in
*" postgresql "*)
    if [ ! -e "$no_cluster" ]; then
        mkdir -p "$(dirname "$no_cluster")"
        echo "create_main_cluster = false" >"$no_cluster"
        trap 'rm -f "$no_cluster"' EXIT
    fi
    ;;
esac
apt-get install -y -qq --no-install-recommends $missing >/dev/null
