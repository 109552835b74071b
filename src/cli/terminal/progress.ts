/** What a starting node waits for: one line that changes on a terminal, plain lines elsewhere. */
import { withShortIds } from '../../identity/short-id.ts';
import { paintTalk, safeLine } from './output.ts';

/** Shows progress on standard error. */
export interface Progress {
  /** Shows what is going on now, in place of the line before. */
  show(line: string): void;
  /** Prints a line that stays on the screen; the same line only once. */
  note(line: string): void;
  done(): void;
}

const NOTES_MAX = 1000;

/** Makes a progress display. `live`: a changing line, where there is a terminal. */
export function createProgress(live: boolean): Progress {
  const changing = live && process.stderr.isTTY;
  const noted = new Set<string>();
  const clear = (): void => {
    if (changing) process.stderr.write('\r\u001B[2K');
  };
  return {
    show(line) {
      clear();
      process.stderr.write(changing ? paintTalk.dim(`${safeLine(line)}…`) : `${safeLine(line)}\n`);
    },
    note(line) {
      if (noted.has(line) || noted.size >= NOTES_MAX) return;
      noted.add(line);
      clear();
      process.stderr.write(`${paintTalk.yellow('!')} ${safeLine(withShortIds(line))}\n`);
    },
    done: clear,
  };
}
