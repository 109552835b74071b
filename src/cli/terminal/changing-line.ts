/** One line of a terminal that changes, and is taken away whatever ends the process but SIGKILL. */

/** Takes the line away on which the cursor stands. */
const CLEAR = '\r\u001B[2K';
/** Signals that end the process where nobody listens. */
const FATAL = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A stream that may be a terminal. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * True where a line can be taken back: on a terminal that knows how, and not where `CI` says that what is written is kept
 * in a log.
 */
export function canChange(screen: Screen, env: NodeJS.ProcessEnv): boolean {
  const { CI = '', TERM } = env;
  return screen.isTTY === true && TERM !== 'dumb' && (CI === '' || CI === 'false');
}

/** Lines that are on the screen now. */
const drawn = new Set<ChangingLine>();
let isGuarded = false;

/** The line; its owner draws no text that is wider than the terminal. */
export class ChangingLine {
  readonly #screen: Screen;
  #text = '';

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows `text`, which may hold colours, in place of the text before. */
  draw(text: string): void {
    if (text === this.#text) return;
    const begin = drawn.size === 0 ? '' : CLEAR;
    // Before it is there: a person may answer what is seen faster than this goes on.
    guard(this);
    this.#text = text;
    this.#screen.write(`${begin}${text}`);
  }

  /** Takes the line away, and leaves the cursor at its begin. */
  clear(): void {
    if (this.#text === '') return;
    this.#text = '';
    this.#screen.write(CLEAR);
    unguard(this);
  }
}

function guard(line: ChangingLine): void {
  drawn.add(line);
  if (isGuarded) return;
  isGuarded = true;
  process.on('exit', clearAll);
  // Before those who listen once, and are gone from the list when they have heard the signal.
  for (const signal of FATAL) process.prependListener(signal, end);
}

function unguard(line: ChangingLine): void {
  drawn.delete(line);
  if (drawn.size > 0) return;
  isGuarded = false;
  process.off('exit', clearAll);
  for (const signal of FATAL) process.off(signal, end);
}

function clearAll(): void {
  for (const line of drawn) line.clear();
}

/** The signal does what it does where no line is. */
function end(signal: NodeJS.Signals): void {
  const isAlone = process.listenerCount(signal) === 1;
  clearAll();
  if (isAlone) process.kill(process.pid, signal);
}
