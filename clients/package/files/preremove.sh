#!/bin/sh
# On removal, not on an upgrade: Debian says "remove", RPM "0", Alpine nothing.
set -e
case "${1:-0}" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now aex.service >/dev/null 2>&1 || true
  fi
  ;;
esac
