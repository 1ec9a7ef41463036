# Ways out of a sandbox, as a shell tries them. It prints TRIED and a name for
# each, and OUT where it got out by its own judgement.
tried() { echo "TRIED $1"; }
out() { echo "OUT $1"; }
try() { # NAME COMMAND...: out when the command succeeds
	local name=$1
	shift
	if timeout 5 "$@" >/dev/null 2>&1; then out "$name"; fi
	tried "$name"
}
shows() { # NAME COMMAND...: out when the command shows a secret
	local name=$1
	shift
	if timeout 5 "$@" 2>/dev/null | tr '\0' '\n' | grep -q -e canary-5f1c9e -e "$REAL"; then out "$name"; fi
	tried "$name"
}
witness() { # NAME ADDRESS
	timeout 5 bash -c "exec 7>$2 && printf 'way:$1;' >&7" 2>/dev/null
	tried "$1"
}
witness sh-tcp "/dev/tcp/127.0.0.1/$PORT"
witness sh-tcp-name "/dev/tcp/localhost/$PORT"
witness sh-udp "/dev/udp/127.0.0.1/$PORT"
shows sh-home cat "$HOMEDIR/canary"
shows sh-home-list grep -rs canary "$HOMEDIR"
shows sh-ledger strings -n 8 "$HOMEDIR/aex.db"
shows sh-hidden cat "$HIDDEN/canary"
shows sh-env-file cat "$ENVFILE"
shows sh-environ cat "/proc/$VICTIM/environ"
shows sh-all-environs sh -c 'grep -ahs ^SECRET= /proc/[0-9]*/environ'
try sh-ps sh -c "grep -qs victim /proc/$VICTIM/cmdline"
try sh-kill kill -0 "$VICTIM"
try sh-kill-aex kill -0 "$AEXPID"
try sh-umount umount "$HOMEDIR"
try sh-umount-lazy umount -l "$HOMEDIR"
try sh-remount mount -o remount,rw "$HOMEDIR"
try sh-remount-sys mount -o remount,rw /sys
try sh-bind sh -c 'mount --bind / /mnt && umount /mnt'
try sh-move sh -c 'mv "$HOMEDIR" "$HOMEDIR.away" && mv "$HOMEDIR.away" "$HOMEDIR"'
try sh-touch-home touch "$HOMEDIR/new"
try sh-agent "$AEX" agent create rich 100 60
try sh-topup "$AEX" topup rich 100
try sh-ledger-read "$AEX" runs
try sh-second-aex env -u AEX_URL -u AEX_AGENT_TOKEN -u AEX_RUN_ID "$AEX" run --sandbox=off --budget 5 -- true
try sh-nsenter nsenter -t "$VICTIM" -n true
try sh-setuid-helper sh -c '! grep -q "NoNewPrivs:.*1" /proc/self/status'
try sh-chroot sh -c 'chroot "/proc/$VICTIM/root" true'
try sh-core sh -c ': >>/proc/sys/kernel/core_pattern'
try sh-forward-port sh -c ': >>/proc/sys/net/ipv4/ip_forward && test "$(readlink /proc/self/ns/net)" = "$OUTSIDE_NET"'
try sh-same-network sh -c 'test "$(readlink /proc/self/ns/net)" = "$OUTSIDE_NET"'
# What is covered, from namespaces of the program's own, where it has all rights.
export REST=${HOMEDIR##*/} ABOVE=${HOMEDIR%/*}
mkdir -p "$ABOVE/view"
shows sh-overlay unshare -Urm sh -c 'mount -t overlay o -o lowerdir="$ABOVE" "$ABOVE/view"; cat "$ABOVE/view/$REST/canary"'
shows sh-umount-above unshare -Urm sh -c 'umount -l "$HOMEDIR"; umount -l /tmp; umount -R "$ABOVE"; cat "$HOMEDIR/canary"'
shows sh-bind-above unshare -Urm sh -c 'mount --bind / "$ABOVE/view"; mount --bind "$ABOVE" "$ABOVE/view"; cat "$ABOVE/view$HOMEDIR/canary" "$ABOVE/view/$REST/canary"'
shows sh-move-mount unshare -Urm sh -c 'mount --move "$HOMEDIR" "$ABOVE/view"; cat "$HOMEDIR/canary"'
shows sh-pivot unshare -Urm sh -c 'mount --rbind / "$ABOVE/view" && cd "$ABOVE/view" && mkdir -p tmp/old && pivot_root . tmp/old; umount -l "$HOMEDIR"; cat "$HOMEDIR/canary" "/tmp/old$HOMEDIR/canary"'
shows sh-new-proc unshare -Urmpf sh -c 'mount -t proc proc "$ABOVE/view" || mount -t proc proc /proc; cat "$ABOVE/view/"[0-9]*/environ /proc/[0-9]*/environ | tr "\\0" "\\n" | grep ^SECRET='
try sh-sysfs unshare -Urmn sh -c 'mount -t sysfs s "$ABOVE/view" && : >>"$ABOVE/view/kernel/uevent_helper"'
try sh-cgroups unshare -UrmC sh -c 'for how in "-t cgroup2" "-t cgroup -o freezer"; do mount $how c "$ABOVE/view" && test -w "$ABOVE/view/cgroup.procs" && exit 0; done; exit 1'
rmdir "$ABOVE/view"
