package process

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ConnectedTo lists the remote ends of the tree's established TCP connections: that a run talks to a provider without
// aex is seen there. It is a look at one moment, and misses what is shorter.
func (p *Process) ConnectedTo() []netip.AddrPort {
	return connections(p.Tree(), processTable{})
}

func connections(procs []Proc, table processTable) []netip.AddrPort {
	found := map[netip.AddrPort]bool{}
	tables := map[string]map[string]netip.AddrPort{} // by network namespace: the sockets' inodes
	for _, p := range procs {
		pid := strconv.Itoa(p.PID)
		names, err := readNames(table.path(pid, "fd"))
		if err != nil {
			continue
		}
		space, _ := os.Readlink(table.path(pid, "ns", "net"))
		if tables[space] == nil {
			tables[space] = sockets(table.path(pid, "net"))
		}
		for _, fd := range names {
			target, err := os.Readlink(table.path(pid, "fd", fd))
			inode, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			if remote, ok := tables[space][strings.TrimSuffix(inode, "]")]; ok {
				found[remote] = true
			}
		}
	}
	out := make([]netip.AddrPort, 0, len(found))
	for remote := range found {
		out = append(out, remote)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

// sockets reads the connected TCP sockets of a network namespace, by inode. proc(5) describes the tables.
func sockets(dir string) map[string]netip.AddrPort {
	const established = "01"
	byInode := map[string]netip.AddrPort{}
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != established {
				continue
			}
			if remote, ok := parseAddress(fields[2]); ok {
				byInode[fields[9]] = remote
			}
		}
	}
	return byInode
}

// parseAddress reads an address in the kernel's notation: words of four bytes in the machine's order, in hex, and the
// port.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	if littleEndian {
		for word := range slices.Chunk(raw, 4) {
			slices.Reverse(word)
		}
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), ok
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
