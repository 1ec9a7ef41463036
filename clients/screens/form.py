"""A curses program that uses what such programs use: colours, line drawing, a
field with an own cursor, function keys, the mouse, resizing, stopping."""
import curses


def draw(screen, text, last):
    height, width = screen.getmaxyx()
    screen.erase()
    screen.box()
    screen.addstr(0, 2, f" form {width}x{height} ", curses.A_REVERSE)
    for pair in range(1, 7):
        screen.addstr(2, 2 + 6 * pair, f"pair{pair}", curses.color_pair(pair) | (curses.A_BOLD if pair % 2 else 0))
    screen.addstr(4, 2, "text: ")
    screen.addstr(4, 8, text, curses.A_UNDERLINE)
    screen.addstr(6, 2, "last: " + last)
    screen.hline(8, 1, curses.ACS_HLINE, width - 2)
    screen.addstr(9, 2, "naïve ☃ 漢字 café")
    screen.move(4, 8 + len(text))
    screen.refresh()


def main(screen):
    curses.use_default_colors()
    for pair in range(1, 7):
        curses.init_pair(pair, pair, -1)
    curses.mousemask(curses.ALL_MOUSE_EVENTS)
    text, last = "", "nothing"
    while True:
        draw(screen, text, last)
        key = screen.getch()
        if key == ord("q"):
            return
        if key == curses.KEY_RESIZE:
            continue  # the size is in the heading; how many events tell of it is the terminal's business
        if key == curses.KEY_MOUSE:
            _, x, y, _, _ = curses.getmouse()
            last = f"mouse {x},{y}"
        else:
            last = curses.keyname(key).decode()
            if 32 <= key < 127:
                text += chr(key)
            elif key in (curses.KEY_BACKSPACE, 127, 8):
                text = text[:-1]


try:
    curses.wrapper(main)
except KeyboardInterrupt:
    print("interrupted")
