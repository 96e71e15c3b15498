#!/bin/sh
# Same contract as the official redis image: flags alone mean redis-server with those flags.
set -e
case "${1:-}" in
  -* | *.conf | '') set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
  shift
  exec redis-server --protected-mode no --dir /data "$@"
fi
exec "$@"
