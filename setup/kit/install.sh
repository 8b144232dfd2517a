#!/bin/sh
# Moves the kit from the folder in which it was unpacked to /opt/drydock and registers the agent with runit, where the
# image has it. Runs as root while an image is built; the service may run as another user.
set -eu

kit=$(cd "$(dirname "$0")" && pwd)
target=/opt/drydock
services=${SVDIR:-/var/runit}

fail() {
    echo "drydock: $1" >&2
    echo "  $2" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "install.sh runs as $(id -u) and cannot write /opt." \
    "Put its RUN line between 'USER root' and 'USER <as before>'."
"$kit/node" --version >/dev/null 2>&1 || fail "Node of the kit does not start in this image." \
    "It needs Linux on x86-64 with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, or later)."

if [ "$kit" != "$target" ]; then
    rm -rf "$target"
    mkdir -p /opt
    mv "$kit" "$target"
fi
chown -R 0:0 "$target"
chmod -R u=rwX,go=rX "$target"

if [ -d "$services" ]; then
    mkdir -p "$services/drydock"
    # No `finish`: the end of the agent must never end the container.
    cat >"$services/drydock/run" <<'RUN'
#!/bin/sh
unset NODE_OPTIONS LD_PRELOAD LD_LIBRARY_PATH
# Small, as agent/lean.ts has it.
exec env MALLOC_MMAP_THRESHOLD_=65536 MALLOC_ARENA_MAX=1 /opt/drydock/node --max-semi-space-size=2 --expose-gc /opt/drydock/agent.cjs serve --way baked >/dev/null 2>&1
RUN
    chmod 755 "$services/drydock/run"
    # Whoever owns the services runs them, and runsv writes beside `run`.
    chown -R "$(stat -c %u:%g "$services")" "$services/drydock"
fi
