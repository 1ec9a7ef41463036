#!/bin/sh
# The user of aex.service. The service itself is neither enabled nor started.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
  systemd-sysusers aex.conf
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
