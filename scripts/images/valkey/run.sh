#!/bin/sh
# Same contract as the official valkey image: flags alone mean valkey-server with those flags.
set -e
case "${1:-}" in
  -* | *.conf | '') set -- valkey-server "$@" ;;
esac
if [ "$1" = valkey-server ]; then
  shift
  exec valkey-server --protected-mode no --dir /data "$@"
fi
exec "$@"
