//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// furnishOutside makes the world that a program in a sandbox must not reach:
// listeners, sockets of services, a process, secrets.
func furnishOutside(t *testing.T, s *stage, w *spy) outside {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(s.home)
	o := outside{Home: s.home, Hidden: filepath.Join(dir, "hidden"), EnvFile: filepath.Join(dir, ".env"), Paths: map[string]string{}}
	check(os.MkdirAll(s.home, 0o700))
	check(os.Mkdir(o.Hidden, 0o700))
	for _, place := range []string{s.home, o.Hidden} {
		check(os.WriteFile(filepath.Join(place, "canary"), []byte(canary), 0o600))
	}
	check(os.WriteFile(o.EnvFile, []byte("OPENAI_API_KEY="+realKey+"\nCOLOUR=blue\n"), 0o600))

	l, err := net.Listen("tcp", ":0")
	check(err)
	w.accept(t, l)
	o.Port = l.Addr().(*net.TCPAddr).Port
	packets, err := net.ListenPacket("udp", ":"+strconv.Itoa(o.Port))
	check(err)
	w.packets(t, packets)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	w.accept(t, front)
	o.Tunnel = front.Addr().(*net.TCPAddr).Port
	o.Provider = s.url[len("http://"):]
	addrs, err := net.InterfaceAddrs()
	check(err)
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			o.Hosts = append(o.Hosts, ip.IP.String())
		}
	}
	o.Abstract = "aex-escape-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(o.Port)
	abstract, err := net.Listen("unix", "@"+o.Abstract)
	check(err)
	w.accept(t, abstract)
	w.sockets(t, &o)

	o.Victim = startVictim(t, s.home)
	o.share(t)
	o.Helper = setuidHelper(t, dir)
	o.Network, err = os.Readlink("/proc/self/ns/net")
	must(t, err)
	return o
}

// startVictim starts a process outside that has a secret.
func startVictim(t *testing.T, dir string) (pid int) {
	t.Helper()
	victim := exec.Command("sleep", "100000")
	victim.Args[0] = "victim"
	victim.Env = []string{"SECRET=" + canary}
	victim.Dir = dir
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := victim.Process.Kill(); err != nil {
			t.Errorf("the victim: %v", err)
		}
		_ = victim.Wait() // killed
	})
	return victim.Process.Pid
}

// setuidHelper is this program with a setuid bit, of another user where there may be one.
func setuidHelper(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "setuid")
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(path, self, 0o755))
	if os.Getuid() == 0 {
		must(t, os.Chown(path, 65534, 65534))
	}
	must(t, os.Chmod(path, 0o755|os.ModeSetuid))
	return path
}

// share makes what processes outside share by the kernel: memory, and a queue where there can be one.
func (o *outside) share(t *testing.T) {
	t.Helper()
	o.Shm = 0x41455800 + o.Port%256
	id, err := unix.SysvShmGet(o.Shm, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	o.Queue = "aex-escape-" + strconv.Itoa(o.Port)
	name, err := unix.BytePtrFromString(o.Queue)
	if err != nil {
		t.Fatal(err)
	}
	if fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0); errno == 0 {
		unix.Close(int(fd))
		t.Cleanup(func() { _, _, _ = unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0) })
	}
}

// sockets makes those of services, under names that services have.
func (w *spy) sockets(t *testing.T, o *outside) {
	t.Helper()
	short, err := os.MkdirTemp("/tmp", "aex-s-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	mark := strconv.Itoa(o.Port)
	tmux := filepath.Join("/tmp", "tmux-"+strconv.Itoa(os.Getuid()))
	x11 := "/tmp/.X11-unix"
	for _, dir := range []string{tmux, x11} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if unix.Access(x11, unix.W_OK) != nil { // another user's
		x11 = tmux
	}
	for name, path := range map[string]string{
		"plain": filepath.Join(short, "plain.sock"), "agent": filepath.Join(short, "agent.1"), "docker": filepath.Join(short, "docker.sock"),
		"dbus": filepath.Join(short, "bus"), "tmux": filepath.Join(tmux, "aex"+mark), "x11": filepath.Join(x11, "X9"+mark),
	} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		w.accept(t, l)
		o.Paths[name] = path
	}
	o.Paths["relative"] = w.relativeSocket(t, short)
	o.Paths["datagram"] = filepath.Join(short, "datagram")
	d, err := net.ListenPacket("unixgram", o.Paths["datagram"])
	if err != nil {
		t.Fatal(err)
	}
	w.packets(t, d)
	o.Paths["giver"] = filepath.Join(short, "giver")
	giver, err := net.ListenUnix("unix", &net.UnixAddr{Name: o.Paths["giver"]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { giver.Close() })
	go w.give(giver, o.Port)
}

// relativeSocket is one that a process bound by a part of its path.
func (w *spy) relativeSocket(t *testing.T, dir string) string {
	t.Helper()
	args := bot("hears", "relative name")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	heard := bufio.NewReader(out)
	_, err = heard.ReadString('\n') // it listens
	must(t, err)
	var reading sync.WaitGroup
	reading.Go(func() {
		for line, err := heard.ReadString(';'); err == nil; line, err = heard.ReadString(';') {
			w.note([]byte(line))
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait() // killed
	})
	return filepath.Join(dir, "relative name")
}

// hears prints what comes to a socket.
func hears(path string) int {
	l, err := net.Listen("unix", path)
	fmt.Println("listening", err)
	for err == nil {
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			_, _ = io.Copy(os.Stdout, c) // until who came goes
			c.Close()
		}
	}
	return 1
}

// give hands a connection to the witness to whoever comes.
func (w *spy) give(l *net.UnixListener, port int) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		if conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			if f, err := conn.(*net.TCPConn).File(); err == nil {
				_, _, _ = c.WriteMsgUnix([]byte("x"), unix.UnixRights(int(f.Fd())), nil)
				f.Close()
			}
			conn.Close()
		}
		c.Close()
	}
}
