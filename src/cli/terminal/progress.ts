/**
 * What is waited for, while it is: on a terminal one line that changes and is gone in the end. A node that runs says its
 * news in lines where no terminal is; work that takes its time says nothing there.
 */
import { systemClock } from '../../core/time/clock.ts';
import type { Clock } from '../../core/time/clock.ts';
import { cut, forTerminal, paintTalk, safeLine } from './output.ts';
import { ChangingLine, canChange } from './changing-line.ts';
import type { Screen } from './changing-line.ts';

/** What takes less is over before a person asks what it does. */
const SHOWN_AFTER_MS = 1000;
/** How often the seconds on the line go on. */
const TICK_MS = 1000;
/** Seconds are told once somebody may wonder whether anything goes on. */
const SECONDS_FROM = 3;
const BAR_COLUMNS = 20;
/** A terminal that is narrower has its columns for the words. */
const BAR_FROM_COLUMNS = 60;

/** Talks on standard error. */
export interface Progress {
  /** Shows what is going on now, in place of the line before; `share`, of 0 to 1: how much of it is done. */
  show(line: string, share?: number): void;
  /** Prints lines that stay on the screen, above the one that changes. */
  say(text: string): void;
  /** Ends the line that changes. */
  done(): void;
}

/** Progress of work; what else is printed meanwhile comes above it. */
export interface WorkProgress extends Progress {
  /** False where nobody looks: then nothing is shown. */
  readonly isShown: boolean;
  /** Has `write` print, on whatever stream, lines that stay above the one that changes. */
  above(write: () => void): void;
}

/** What a display talks to; the default is the process's own. */
export interface ProgressInit {
  readonly screen?: Screen;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
}

/**
 * Makes the display of a node's news: a line that stays for each, where there is no terminal. `live`: a changing line,
 * where there is one.
 */
export function createProgress(live: boolean, init: ProgressInit = {}): Progress {
  const { screen = process.stderr, env = process.env } = init;
  const changing = live && canChange(screen, env);
  const line = new ChangingLine(screen);
  let shown = '';
  /** The line is wider than the terminal: it could not be taken back, and what it says is not cut, so it stays. */
  let stays = false;
  const draw = (): void => {
    if (shown === '' || stays) return;
    const text = `${shown}…`;
    stays = cut(text, columnsOf(screen) - 1) !== text;
    if (stays) screen.write(`${paintTalk.dim(forTerminal(shown, screen))}\n`);
    else line.draw(paintTalk.dim(text));
  };
  return {
    show(news) {
      const next = safeLine(news);
      if (next === shown) return;
      line.clear();
      shown = next;
      stays = false;
      if (changing) draw();
      else screen.write(`${next}\n`);
    },
    say(text) {
      line.clear();
      screen.write(`${forTerminal(text, screen)}\n`);
      if (changing) draw();
    },
    done() {
      line.clear();
      shown = '';
    },
  };
}

/**
 * Makes the display of work that may take over a second: nothing before that, then what is done, how much of it, and for
 * how long. Silent where standard error is no terminal, on a dumb one, and where `CI` is set.
 */
export function createWorkProgress(init: ProgressInit = {}): WorkProgress {
  const { screen = process.stderr, env = process.env, clock = systemClock } = init;
  return canChange(screen, env) ? new ShownWork(screen, clock) : silentWork(screen);
}

/** Does `work` while a terminal shows `text`, if that takes its time. */
export async function whileShown<T>(text: string, work: () => Promise<T>): Promise<T> {
  const progress = createWorkProgress();
  progress.show(text);
  try {
    return await work();
  } finally {
    progress.done();
  }
}

function silentWork(screen: Screen): WorkProgress {
  return {
    isShown: false,
    show: () => undefined,
    say: (text) => {
      screen.write(`${text}\n`);
    },
    above: (write) => write(),
    done: () => undefined,
  };
}

class ShownWork implements WorkProgress {
  readonly isShown = true;
  readonly #screen: Screen;
  readonly #clock: Clock;
  readonly #line: ChangingLine;
  #work: { readonly text: string; readonly share: number | undefined } | undefined;
  #beganAt = 0;
  #isDrawn = false;
  #cancel = (): void => undefined;

  constructor(screen: Screen, clock: Clock) {
    this.#screen = screen;
    this.#clock = clock;
    this.#line = new ChangingLine(screen);
  }

  show(line: string, share?: number): void {
    const isNew = this.#work === undefined;
    this.#work = { text: safeLine(line), share };
    if (!isNew) return this.#draw();
    this.#beganAt = this.#clock.now();
    this.#cancel = this.#clock.schedule(SHOWN_AFTER_MS, this.#tick);
  }

  say(text: string): void {
    this.above(() => this.#screen.write(`${forTerminal(text, this.#screen)}\n`));
  }

  above(write: () => void): void {
    this.#line.clear();
    write();
    this.#draw();
  }

  done(): void {
    this.#cancel();
    this.#work = undefined;
    this.#isDrawn = false;
    this.#line.clear();
  }

  readonly #tick = (): void => {
    this.#isDrawn = true;
    this.#draw();
    this.#cancel = this.#clock.schedule(TICK_MS, this.#tick);
  };

  #draw(): void {
    if (this.#work === undefined || !this.#isDrawn) return;
    const seconds = Math.floor((this.#clock.now() - this.#beganAt) / 1000);
    this.#line.draw(paintTalk.dim(workLine(this.#work, seconds, columnsOf(this.#screen))));
  }
}

/** One line of less than `columns`: a bar where there is room, how much is done, the words, the seconds. Pure. */
function workLine(
  { text, share }: { readonly text: string; readonly share: number | undefined },
  seconds: number,
  columns: number,
): string {
  const time = seconds < SECONDS_FROM ? '…' : `… ${seconds} s`;
  const head = share === undefined ? '' : shareText(Math.min(1, Math.max(0, share)), columns);
  const room = columns - 1 - head.length - time.length;
  return cut(room < 2 ? `${head}${text}` : `${head}${cut(text, room)}${time}`, columns - 1);
}

function shareText(share: number, columns: number): string {
  const percent = `${String(Math.floor(share * 100)).padStart(3)} % `;
  if (columns < BAR_FROM_COLUMNS) return percent;
  const full = Math.round(share * BAR_COLUMNS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_COLUMNS - full)} ${percent}`;
}

/** A terminal that does not know its size says 0. */
function columnsOf({ columns }: Screen): number {
  return columns === undefined || columns === 0 ? 80 : columns;
}
