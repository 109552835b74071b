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
  /** The line is wider than the terminal: it could not be taken back, and what it says is not cut, so it stays. */
  let stays = false;
  const clear = (): void => {
    if (changing && shown !== '' && !stays) stderr.write('\r\u001B[2K');
  };
  const draw = (): void => {
    if (shown === '' || stays) return;
    const line = `${shown}…`;
    stays = cut(line, (stderr.columns || 80) - 1) !== line;
    stderr.write(stays ? `${paintTalk.dim(forTerminal(shown, stderr))}\n` : paintTalk.dim(line));
  };
  return {
    show(line) {
      const next = safeLine(line);
      if (next === shown) return;
      clear();
      shown = next;
      stays = false;
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
