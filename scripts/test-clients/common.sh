# Sourced by the scripts beside it, each of which lets a client work with a server: a folder that is gone
# at the end with all that was started, a binary, a database, `tickbase serve`, a Python with packages.
#
# TICKBASE names a binary of a build with PostgreSQL (without it one is built); VENV a folder in which the
# packages of Python are kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

script=$0
readonly script
place=$(mktemp -d)
processes=()
end() {
    # A server stops first: its database may be PostgreSQL, which ends with this script.
    kill "${processes[@]}" 2>/dev/null || true
    wait "${processes[@]}" 2>/dev/null || true
    rm -rf "$place"
}
trap end EXIT

fail() {
    tail -n 5 "$place"/*.log >&2 2>/dev/null || true
    printf '%s: %s\n' "$script" "$*" >&2
    exit 1
}

# The binary, with what the tests use, so that little is built anew.
build() {
    [ -z "${TICKBASE:-}" ] || return 0
    cargo build --quiet --features postgres,server,chrono
    TICKBASE=$(realpath "${CARGO_TARGET_DIR:-target}/debug/tickbase")
}

# python_with PACKAGE..: sets `python` to one that has them.
python_with() {
    local venv=${VENV:-$place/venv}
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    python=$venv/bin/python
}

# A new database of the backend that is named, SQLite's without one: sets `url`.
database_of() {
    case ${1:-sqlite} in
        sqlite) url=$place/client.db ;;
        postgres)
            # It ends when its standard input does: with this script.
            coproc POSTGRES { exec bash tests/support/postgres.sh; }
            local word port directory
            read -r -u "${POSTGRES[0]}" word port directory
            [ "$word" = ready ] || fail "no private PostgreSQL: $word $port $directory"
            url=postgres://postgres@127.0.0.1:$port/postgres
            ;;
        *) fail "$1 is no backend; say sqlite or postgres" ;;
    esac
}

# address_in LOG WORDS: the address that a server has written behind these words.
address_in() {
    until grep -o "$2 http://[0-9.:]*" "$1" | grep -o 'http:.*'; do
        kill -0 "${processes[-1]}" 2>/dev/null || fail "the server has ended"
        sleep 0.1
    done
}

# serve ARGUMENT..: a server on `url` and a free port, with these arguments: sets `address`.
serve() {
    "$TICKBASE" --database-url "$url" serve --bind 127.0.0.1:0 "$@" >/dev/null 2>"$place/serve.log" &
    processes+=("$!")
    address=$(address_in "$place/serve.log" 'listening on')
}

# Nothing that a client does may be an error of the server.
check_log() {
    ! grep -E 'ERROR|panicked' "$place/serve.log" >&2 || fail "the server's log has errors"
}
