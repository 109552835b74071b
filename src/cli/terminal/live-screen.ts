/**
 * A screen of its own on the terminal, which is drawn anew as things change, and whose keys a command hears. Whatever ends
 * the process but SIGKILL, the terminal is left as it was found.
 */
import { cut } from './output.ts';

/** The other screen of the terminal, without a cursor; and back (xterm control sequences, private modes 1049 and 25). */
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const TO_THE_TOP = '\u001B[H';
const TO_LINE_END = '\u001B[K';
const TO_SCREEN_END = '\u001B[J';
const CTRL_C = '\u0003';
/** Signals that end the process without a word, where nobody listens. */
const FATAL = ['SIGHUP', 'SIGQUIT'] as const;
const ENDING = ['SIGINT', 'SIGTERM'] as const;
/** Where a terminal does not say how large it is. */
const COLUMNS = 80;
const ROWS = 24;

/** How much fits. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A line, and how it is coloured once it is cut. */
export interface ScreenLine {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** A screen that is shown. */
export interface LiveScreen {
  /** Shows what `draw` gives, now and whenever the size of the terminal changes; what does not fit is cut. */
  show(draw: (size: ScreenSize) => readonly ScreenLine[]): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

/** Takes the terminal of standard output and input; `key` hears what is typed. Ctrl-C is the signal that it always is. */
export function openLiveScreen(key: (typed: string) => void): LiveScreen {
  return new TerminalScreen(key);
}

class TerminalScreen implements LiveScreen {
  readonly #key: (typed: string) => void;
  #draw: (size: ScreenSize) => readonly ScreenLine[] = () => [];
  #isOpen = true;

  constructor(key: (typed: string) => void) {
    this.#key = key;
    const { stdin, stdout } = process;
    process.on('exit', this.#restore);
    for (const signal of ENDING) process.on(signal, this.#restore);
    for (const signal of FATAL) process.on(signal, this.#die);
    stdout.on('resize', this.#redraw);
    stdout.write(ENTER);
    if (!stdin.isTTY) return;
    stdin.setRawMode(true);
    stdin.setEncoding('utf8').on('data', this.#typed);
  }

  show(draw: (size: ScreenSize) => readonly ScreenLine[]): void {
    this.#draw = draw;
    this.#redraw();
  }

  close(): void {
    this.#restore();
    process.off('exit', this.#restore);
    for (const signal of ENDING) process.off(signal, this.#restore);
    for (const signal of FATAL) process.off(signal, this.#die);
  }

  readonly #redraw = (): void => {
    if (!this.#isOpen) return;
    // A terminal that does not know its size says 0.
    const columns = process.stdout.columns || COLUMNS;
    const rows = process.stdout.rows || ROWS;
    const lines = this.#draw({ columns, rows }).slice(0, rows);
    const text = lines
      .map(({ text: line, paint = (same) => same }) => paint(cut(line, columns)) + TO_LINE_END)
      .join('\n');
    process.stdout.write(`${TO_THE_TOP}${text}${TO_SCREEN_END}`);
  };

  /** Ctrl-C comes as a character while each key is heard at once. */
  readonly #typed = (typed: string): void => {
    if (typed.includes(CTRL_C)) process.kill(process.pid, 'SIGINT');
    else this.#key(typed);
  };

  readonly #restore = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { stdin, stdout } = process;
    stdout.off('resize', this.#redraw);
    if (stdin.isTTY) {
      stdin.off('data', this.#typed);
      stdin.setRawMode(false);
      stdin.pause();
    }
    stdout.write(LEAVE);
  };

  /** The signal does what it does where nobody listens, with the terminal as it was. */
  readonly #die = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };
}
