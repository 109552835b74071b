/** What a node says while it runs: lines that stay, and on a terminal one that changes, for what is waited for. */
import { cut, forTerminal, paintTalk, safeLine } from './output.ts';

/** Talks on standard error. */
export interface Progress {
  /** Shows what is going on now, in place of the line before. */
  show(line: string): void;
  /** Prints lines that stay on the screen, above the one that changes. */
  say(text: string): void;
  /** Ends the line that changes. */
  done(): void;
}

/** Makes a progress display. `live`: a changing line, where there is a terminal. */
export function createProgress(live: boolean): Progress {
  const { stderr } = process;
  const changing = live && stderr.isTTY;
  let shown = '';
  const clear = (): void => {
    if (changing && shown !== '') stderr.write('\r\u001B[2K');
  };
  const draw = (): void => {
    // A line that is wider than the terminal could not be taken back.
    if (shown !== '') stderr.write(paintTalk.dim(cut(`${shown}…`, (stderr.columns || 80) - 1)));
  };
  return {
    show(line) {
      const next = safeLine(line);
      if (next === shown) return;
      clear();
      shown = next;
      if (changing) draw();
      else stderr.write(`${next}\n`);
    },
    say(text) {
      clear();
      stderr.write(`${forTerminal(text, stderr)}\n`);
      if (changing) draw();
    },
    done() {
      clear();
      shown = '';
    },
  };
}
