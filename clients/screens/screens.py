"""Compare what programs show under tmux with and without `aex run`.

Two windows of one tmux server run the same shell in two copies of one
directory. In the one, the command `run` is aex; in the other, it is nothing.
Both get the same keys. After each, the screens must come to show what the step
expects and be equal: text, colours, cursor, alternate screen and modes.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60  # seconds until a screen that is not as expected is wrong; only a failure takes them
STATE = "#{cursor_x},#{cursor_y} cursor=#{cursor_flag} alternate=#{alternate_on} keypad=#{keypad_flag}/#{keypad_cursor_flag} " \
        "mouse=#{mouse_standard_flag}#{mouse_button_flag}#{mouse_any_flag}#{mouse_sgr_flag} wrap=#{wrap_flag} insert=#{insert_flag} " \
        "region=#{scroll_region_upper}-#{scroll_region_lower} size=#{pane_width}x#{pane_height}"
# Process ids differ, whoever starts the processes.
PID = re.compile(r"(?m)^(\[\d+\]) \d+$")


class Resize(tuple):
    """A step that changes the window instead of typing."""


def ctrl(letter):
    return chr(ord(letter) & 31)


ESC, ENTER, UP, F5, CLICK = "\x1b", "\r", "\x1b[A", "\x1b[15~", "\x1b[M ,%\x1b[M#,%"
UP_APP = "\x1bOA"

# Each step is what is typed, and what the screen must then show. \Z is the end
# of the screen's last line.
STOP = (ctrl("z"), r"Stopped")
PROGRAMS = {
    "vim": [
        ("run vim -u NONE -U NONE -i NONE -N -n notes.txt" + ENTER, r"line 1\b[\s\S]*notes.txt"),
        (":set number mouse=a ruler hlsearch laststatus=2" + ENTER, r"  1 line 1\b[\s\S]*1,1 "),
        ("Gothe new line: naïve ☃ 漢字", r"the new line: naïve ☃ 漢字"),
        (ESC + "yyp", r"41,1 "),
        ("gg/line 3" + ENTER, r"3,1 "),
        (":split" + ENTER, r"notes.txt[\s\S]*notes.txt"),
        (ctrl("w") + "j" + ctrl("d"), r"8,1 "),
        (Resize((100, 30)), r"notes.txt[\s\S]*notes.txt"),
        STOP,
        ("stty -a | grep -o ' .\\?icanon'" + ENTER, r"^ icanon"),
        ("fg" + ENTER, r"notes.txt[\s\S]*notes.txt"),
        (Resize((80, 24)), r"notes.txt[\s\S]*notes.txt"),
        (":only" + ENTER + ":!echo from the shell" + ENTER, r"from the shell\s+Press ENTER"),
        (ENTER + "u:wq" + ENTER, r"\$ \Z"),
        ("echo rc=$?; tail -1 notes.txt" + ENTER, r"rc=0\nthe new line"),
    ],
    "less": [
        ("run less -i long.txt" + ENTER, r"\Aline 1\n[\s\S]*long.txt"),
        (" ", r"\Aline 24\n"),
        ("g", r"\Aline 1\n"),
        ("/line 117" + ENTER, r"\Aline 117\n"),
        (UP_APP, r"\Aline 116\n"),
        (Resize((60, 15)), r"size=60x15"),
        ("-N" + ENTER, r"116 line 116"),
        STOP,
        ("fg" + ENTER, r"116 line 116"),
        (Resize((80, 24)), r"size=80x24"),
        ("q", r"\$ \Z"),
        ("seq 50 | run less" + ENTER, r"\A1\n[\s\S]*^23\n"),
        ("G", r"^50\n"),
        ("q", r"\$ \Z"),
        ("echo rc=$?" + ENTER, r"rc=0"),
    ],
    "bash": [
        ("run bash --noprofile --rcfile ./rc -i" + ENTER, r"inner\$ \Z"),
        ("tty >/dev/null && echo \"a terminal: $(stty size)\"" + ENTER, r"a terminal: 24 80"),
        ("cat" + ENTER, r"cat\n"),
        ("typed" + ENTER, r"typed\ntyped\n"),
        (ctrl("z"), r"\[1\]\+ +Stopped +cat"),
        ("sleep 1000 &" + ENTER, r"\[2\] (\d+|N)\n"),
        ("jobs" + ENTER, r"\[2\]- +Running +sleep 1000"),
        ("fg %1" + ENTER, r"fg %1\ncat\n"),
        ("again" + ENTER, r"again\nagain\n"),
        (ctrl("d"), r"inner\$ \Z"),
        ("kill %2; wait %2; echo \"rc=$?\"" + ENTER, r"rc=143"),
        ("clear" + ENTER, r"\Ainner\$ \Z"),
        ("sleep 1000" + ENTER, r"sleep 1000\n"),
        (ctrl("c"), r"\^C\ninner\$ \Z"),
        ("echo \"rc=$?\"" + ENTER, r"rc=130"),
        ("vim -u NONE -i NONE -n notes.txt" + ENTER, r"line 1\n[\s\S]*notes.txt"),
        (ctrl("z"), r"Stopped +vim"),
        (Resize((90, 20)), r"Stopped +vim"),
        ("stty size" + ENTER, r"^20 90"),
        ("fg" + ENTER, r"line 1\n"),
        (":q!" + ENTER, r"inner\$ \Z"),
        ("echo one two" + ctrl("w") + "three" + ENTER, r"^one three"),
        (UP + ENTER, r"^one three\n[\s\S]*^one three"),
        ("clear; suspend" + ENTER, r"Stopped +run bash"),
        ("fg" + ENTER, r"run bash[^\n]*\n"),
        (ctrl("l"), r"\Ainner\$ \Z"),
        (Resize((80, 24)), r"inner\$ \Z"),
        ("clear; exit 7" + ENTER, r"\boutside\$ \Z"),
        ("echo rc=$?" + ENTER, r"rc=7"),
    ],
    "python": [
        ("run /usr/bin/python3 -q" + ENTER, r">>> \Z"),
        ("sum(range(101))" + ENTER, r"^5050"),
        ("def twice(s):" + ENTER, r"\.\.\. *\Z"),
        ("  return s * 2" + ENTER + ENTER, r">>> \Z"),
        ("twice('naïve ☃ ')" + ENTER, r"naïve ☃ naïve ☃"),
        (UP + ENTER, r"naïve ☃ naïve ☃[\s\S]*naïve ☃ naïve ☃"),
        ("while True: pass" + ENTER + ENTER, r"while True: pass\n\.\.\. *\n"),
        (ctrl("c"), r"KeyboardInterrupt\n>>> \Z"),
        ("input('name? ')" + ENTER, r"^name\? \Z"),
        ("me" + ENTER, r"name\? me\n'me'"),
        STOP,
        ("fg" + ENTER, r"fg\nrun /usr/bin/python3"),
        ("1 + 1" + ENTER, r"^2\n"),
        ("import os; os._exit(3)" + ENTER, r"outside\$ \Z"),
        ("echo rc=$?" + ENTER, r"rc=3"),
    ],
    "curses": [
        ("run /usr/bin/python3 form.py" + ENTER, r"form 80x24[\s\S]*last: nothing"),
        ("abc", r"text: abc[\s\S]*last: c"),
        ("\x7f", r"text: ab [\s\S]*last: KEY_BACKSPACE"),
        (F5, r"last: KEY_F\(5\)"),
        (UP_APP, r"last: KEY_UP"),
        (CLICK, r"last: mouse 11,4"),
        (Resize((100, 30)), r"form 100x30"),
        ("d", r"text: abd"),
        STOP,
        (Resize((70, 20)), r"Stopped"),
        ("fg" + ENTER, r"pair1"),
        ("e", r"text: abde"),
        (Resize((80, 24)), r"form 80x24"),
        ("q", r"\$ \Z"),
        ("echo rc=$?" + ENTER, r"rc=0"),
        ("run /usr/bin/python3 form.py" + ENTER, r"last: nothing"),
        (ctrl("c"), r"interrupted"),
        ("clear; stty -a | grep -o ' .\\?echo '; echo rc=$?" + ENTER, r"rc=0"),
    ],
}


class Pane:
    """One shell in one window of the tmux server."""

    def __init__(self, server, root, name, launcher):
        self.server, self.name = server, name
        home = os.path.join(root, name)
        os.makedirs(os.path.join(home, "bin"))
        shutil.copy(os.path.join(HERE, "form.py"), home)
        for file, lines in ("notes.txt", 39), ("long.txt", 200):
            with open(os.path.join(home, file), "w", encoding="utf-8") as f:
                f.writelines(f"line {n}\n" for n in range(1, lines + 1))
        with open(os.path.join(home, "rc"), "w", encoding="utf-8") as f:
            f.write("PS1='inner$ '; unset HISTFILE\n")
        with open(os.path.join(home, "outside"), "w", encoding="utf-8") as f:
            f.write("PS1='outside$ '; unset HISTFILE; bind 'set enable-bracketed-paste on'\n")
        command = os.path.join(home, "bin", "run")
        with open(command, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nexec {launcher} \"$@\"\n")
        os.chmod(command, 0o755)
        environ = {
            "HOME": home, "AEX_HOME": os.path.join(home, ".aex"), "PATH": f"{home}/bin:/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
            "LESSHISTFILE": "-", "PYTHON_HISTORY": os.devnull, "TERM": "tmux-256color",
        }
        self.tmux("new-session", "-d", "-s", name, "-x", "80", "-y", "24", "-c", home,
                  "env", "-i", *(f"{k}={v}" for k, v in environ.items()), "bash", "--noprofile", "--rcfile", "./outside", "-i")

    def tmux(self, *args):
        return subprocess.run(["tmux", "-f", os.devnull, "-L", self.server, *args], check=True, capture_output=True, text=True).stdout

    def do(self, step):
        if isinstance(step, Resize):
            self.tmux("resize-window", "-t", self.name, "-x", str(step[0]), "-y", str(step[1]))
        else:
            self.tmux("send-keys", "-t", self.name, "-H", *(f"{b:02x}" for b in step.encode()))

    def raw(self):
        tty = os.open(self.tmux("display-message", "-p", "-t", self.name, "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        try:
            return not termios.tcgetattr(tty)[3] & termios.ICANON
        finally:
            os.close(tty)

    def screen(self):
        """The text to search, and all that is compared."""
        cursor = self.tmux("display-message", "-p", "-t", self.name, STATE).strip()
        text = PID.sub(r"\1 N", self.tmux("capture-pane", "-p", "-t", self.name))
        colours = PID.sub(r"\1 N", self.tmux("capture-pane", "-p", "-e", "-t", self.name))
        x, y = map(int, cursor.split()[0].split(","))
        lines = text.split("\n")
        if not any(line.strip() for line in lines[y + 1:]):  # nothing below the cursor: the text ends at the cursor
            text = "\n".join(lines[:y] + [lines[y].ljust(x)])
        return text, colours + cursor


def settle(panes, expected, continued):
    """Poll until both screens are as expected, equal, and the same as a moment
    ago; and until an aex that was continued has its terminal, or what is typed
    next would be echoed by both."""
    limit, before = time.monotonic() + PATIENCE, None
    while True:
        plain, with_aex = (p.screen() for p in panes)
        ready = all(re.search(expected, text, re.M) or re.search(expected, state) for text, state in (plain, with_aex)) and (not continued or panes[1].raw())
        if ready and plain[1] == with_aex[1] == before:
            return None
        if time.monotonic() > limit:
            return plain, with_aex, ready
        before = plain[1] if ready and plain[1] == with_aex[1] else None
        time.sleep(0.05)


def try_program(name, aex):
    server = f"aex-screens-{os.getpid()}-{name}"
    root, panes = tempfile.mkdtemp(prefix="aex-screens-"), []
    try:
        panes.append(Pane(server, root, "plain", "env --"))
        panes.append(Pane(server, root, "aex", f"{aex} run -q --budget none --"))
        steps = [("", r"outside\$ \Z"), *PROGRAMS[name]]
        for number, (step, expected) in enumerate(steps):
            if step:
                for pane in panes:
                    pane.do(step)
            wrong = settle(panes, expected, continued=isinstance(step, str) and step.startswith("fg"))
            if wrong:
                tell(name, number, step, expected, wrong)
                return False
        print(f"{name}: {len(steps)} screens are equal", flush=True)
        return True
    finally:
        if panes:
            panes[0].tmux("kill-server")
        remove(root)


def remove(root):
    """Delete a directory in which programs that are just ending may still write."""
    limit = time.monotonic() + PATIENCE
    while os.path.exists(root) and time.monotonic() < limit:
        shutil.rmtree(root, ignore_errors=True)


def tell(name, number, step, expected, wrong):
    plain, with_aex, ready = wrong
    print(f"{name}: step {number} ({step!r}): " + ("the screens differ" if ready else f"not both show {expected!r}"))
    for which, (text, everything) in (("without aex", plain), ("with aex", with_aex)):
        print(f"--- {which}\n{text.rstrip()}\n--- {everything.splitlines()[-1]}")
    for a, b in zip(plain[1].splitlines(), with_aex[1].splitlines()):
        if a != b:
            print(f"differs:\n  {a!r}\n  {b!r}")


def main():
    aex, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(PROGRAMS)
    results = [try_program(name, aex) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
