/** What a person sees while a scenario runs: one line that changes, on a terminal only. */

const BAR = 24;
const WIDTH_MAX = 100;

/** A stream that may be a terminal. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A line about what is going on. */
export interface View {
  show(title: string, text: string, done: number): void;
  /** Takes the line away. */
  clear(): void;
}

/** Makes the view; says nothing where the stream is no terminal. */
export function createView(screen: Screen): View {
  if (screen.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let isShown = false;
  return {
    show(title, text, done) {
      const full = Math.round(Math.min(1, Math.max(0, done)) * BAR);
      const line = `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${title}  ${text}`;
      screen.write(`\r\u001b[2K${line.slice(0, WIDTH_MAX)}`);
      isShown = true;
    },
    clear() {
      if (isShown) screen.write('\r\u001b[2K');
      isShown = false;
    },
  };
}
