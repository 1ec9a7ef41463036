//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outside is what a program that wants out is told of the world outside: all of
// it, as a spy inside aex might know it.
type outside struct {
	Port     int      // a witness of TCP and UDP on every address
	Hosts    []string // addresses of this machine beside loopback
	Provider string   // host:port of the provider
	Abstract string   // abstract socket of a witness
	Paths    map[string]string
	Victim   int // a process of the same user
	Aex      int
	Home     string // aex's
	Hidden   string
	EnvFile  string
	Shm      int // key of a System V segment
	Queue    string
	Helper   string // a program with a setuid bit
	Network  string // the network namespace of outside
	Tunnel   int    // a witness that --allow-host lets out to, by the name localhost
}

func readOutside() outside {
	var o outside
	if err := json.Unmarshal([]byte(os.Getenv("ESCAPE")), &o); err != nil {
		panic(err)
	}
	return o
}

// way is one attempt. It says whether it got out by its own judgement; the
// witnesses outside have theirs.
type way struct {
	name string
	try  func(o outside) (out bool, err error)
}

// goWays tries all that Go tries.
func goWays() int {
	o := readOutside()
	for _, w := range everyGoWay() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			out, err := w.try(o)
			if out {
				fmt.Println("OUT", w.name)
			}
			fmt.Println("TRIED", w.name, err)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			fmt.Println("TRIED", w.name, "no answer")
		}
	}
	return 0
}

// signed is what a witness knows a way by.
func signed(name string) []byte { return []byte("way:" + name + ";") }

// dialAndSign connects and tells the witness who it is.
func dialAndSign(name, network, address string) (bool, error) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_, err = conn.Write(signed(name))
	return false, err // the witness says whether it came
}

func dialing(name, network string, host func(o outside) string) way {
	return way{name, func(o outside) (bool, error) { return dialAndSign(name, network, host(o)) }}
}

// opening gets out by having such a socket at all.
func opening(name string, family, kind, protocol int) way {
	return way{name, func(outside) (bool, error) {
		s, err := unix.Socket(family, kind, protocol)
		if err == nil {
			unix.Close(s)
		}
		return err == nil, err
	}}
}

func at(host string) func(outside) string {
	return func(o outside) string { return net.JoinHostPort(host, strconv.Itoa(o.Port)) }
}

func networkWays() []way { return slices.Concat(dialingWays(), socketWays, rareNetworkWays) }

// dialingWays connect as every program does.
func dialingWays() []way {
	own := func(o outside) string {
		if len(o.Hosts) == 0 {
			return at("127.0.0.2")(o)
		}
		return at(o.Hosts[0])(o)
	}
	return []way{
		dialing("go-tcp-loopback", "tcp4", at("127.0.0.1")),
		dialing("go-tcp-address", "tcp4", own),
		dialing("go-tcp-name", "tcp", at("localhost")),
		dialing("go-tcp-ipv6", "tcp6", at("::1")),
		dialing("go-tcp-mapped", "tcp", at("::ffff:127.0.0.1")),
		dialing("go-udp", "udp4", at("127.0.0.1")),
		dialing("go-udp-address", "udp4", own),
		dialing("go-udp-ipv6", "udp6", at("::1")),
		dialing("go-abstract", "unix", func(o outside) string { return "@" + o.Abstract }),
		dialing("go-socket-file", "unix", func(o outside) string { return o.Paths["plain"] }),
		dialing("go-socket-datagram", "unixgram", func(o outside) string { return o.Paths["datagram"] }),
		dialing("go-socket-relative", "unix", func(o outside) string { return o.Paths["relative"] }),
		dialing("go-socket-agent", "unix", func(o outside) string { return o.Paths["agent"] }),
		dialing("go-socket-docker", "unix", func(o outside) string { return o.Paths["docker"] }),
		dialing("go-socket-tmux", "unix", func(o outside) string { return o.Paths["tmux"] }),
		dialing("go-socket-x11", "unix", func(o outside) string { return o.Paths["x11"] }),
		dialing("go-socket-dbus", "unix", func(o outside) string { return o.Paths["dbus"] }),
	}
}

// socketWays open sockets of kinds that few programs open.
var socketWays = []way{
	opening("go-raw-icmp", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
	opening("go-packet", unix.AF_PACKET, unix.SOCK_RAW, 0x300),
	opening("go-vsock", unix.AF_VSOCK, unix.SOCK_STREAM, 0),
	opening("go-vsock-datagram", unix.AF_VSOCK, unix.SOCK_DGRAM, 0),
	opening("go-bluetooth", unix.AF_BLUETOOTH, unix.SOCK_RAW, 1),
	opening("go-xdp", unix.AF_XDP, unix.SOCK_RAW, 0),
	opening("go-smc", 43, unix.SOCK_STREAM, 0),
}

// rareNetworkWays reach the network by other calls than those.
var rareNetworkWays = []way{
	{"go-provider-direct", func(o outside) (bool, error) { return asksProvider(o.Provider) }},
	{"go-provider-name", func(o outside) (bool, error) {
		return asksProvider(strings.Replace(o.Provider, "127.0.0.1", "localhost", 1))
	}},
	{"go-mptcp", func(o outside) (bool, error) { return false, rawConnect("go-mptcp", o.Port, unix.IPPROTO_MPTCP) }},
	{"go-tcp-raw-call", func(o outside) (bool, error) { return false, rawConnect("go-tcp-raw-call", o.Port, 0) }},
	{"go-tcp-high-bits", highBits},
	{"go-fast-open", fastOpen},
	{"go-raw-udp", rawUDP},
	{"go-netlink-route", netlinkRoute},
	{"go-netlink-diag", netlinkDiag},
	{"go-uring", func(outside) (bool, error) {
		var params [120]byte
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params[0])), 0)
		if errno == 0 {
			unix.Close(int(fd))
			return true, nil
		}
		return false, errno
	}},
	{"go-inherited", func(outside) (bool, error) {
		for fd := 3; fd < 64; fd++ {
			unix.Write(fd, signed("go-inherited"))
		}
		return false, nil
	}},
	{"go-new-network", func(o outside) (bool, error) {
		return false, inThread(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			return rawConnect("go-new-network", o.Port, 0)
		})
	}},
}

// asksProvider asks the provider itself, without a proxy.
func asksProvider(at string) (bool, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}}
	resp, err := client.Get("http://" + at + "/v1/models")
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return true, nil
}

// rawConnect makes the calls itself.
func rawConnect(name string, port, protocol int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := unix.Connect(s, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	_, err = unix.Write(s, signed(name))
	return err
}

// highBits asks for a datagram socket with a bit where the kernel does not look.
func highBits(o outside) (bool, error) {
	s, _, errno := unix.Syscall(unix.SYS_SOCKET, 1<<32|unix.AF_INET, unix.SOCK_DGRAM, 0)
	if errno != 0 {
		return false, errno
	}
	defer unix.Close(int(s))
	return false, unix.Sendto(int(s), signed("go-tcp-high-bits"), 0, &unix.SockaddrInet4{Port: o.Port, Addr: [4]byte{127, 0, 0, 1}})
}

func fastOpen(o outside) (bool, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(s)
	err = unix.Sendto(s, signed("go-fast-open"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: o.Port, Addr: [4]byte{127, 0, 0, 1}})
	return false, err
}

// rawUDP makes a whole packet.
func rawUDP(o outside) (bool, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP)
	if err != nil {
		return false, err
	}
	defer unix.Close(s)
	body := signed("go-raw-udp")
	length := 8 + len(body)
	packet := append([]byte{0x30, 0x39, byte(o.Port >> 8), byte(o.Port), byte(length >> 8), byte(length), 0, 0}, body...)
	return false, unix.Sendto(s, packet, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// netlinkRoute makes an interface.
func netlinkRoute(outside) (bool, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return false, err
	}
	defer unix.Close(s)
	const length = unix.SizeofNlMsghdr + unix.SizeofIfInfomsg
	msg := make([]byte, length)
	h := (*unix.NlMsghdr)(unsafe.Pointer(&msg[0]))
	h.Len, h.Type, h.Flags = length, unix.RTM_NEWLINK, unix.NLM_F_REQUEST|unix.NLM_F_ACK
	(*unix.IfInfomsg)(unsafe.Pointer(&msg[unix.SizeofNlMsghdr])).Index = 1
	if err := unix.Sendto(s, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		return false, errors.Join(err, errors.New("no answer"))
	}
	code := *(*int32)(unsafe.Pointer(&answer[unix.SizeofNlMsghdr]))
	return code == 0, syscall.Errno(-code)
}

// netlinkDiag looks for the witness among the sockets of the machine.
func netlinkDiag(o outside) (bool, error) {
	four, err := os.ReadFile("/proc/net/tcp")
	six, more := os.ReadFile("/proc/net/tcp6")
	return strings.Contains(string(four)+string(six), fmt.Sprintf("00000000:%04X 0", o.Port)), errors.Join(err, more)
}
