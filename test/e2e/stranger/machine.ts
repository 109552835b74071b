/** A machine that a stranger sits before: a root folder of its own, a host of its own on the network, and terminals. */
import { settledWithin, systemClock } from '../../../src/core/index.ts';
import { startShell } from '../examples/place.ts';
import type { Place, Running } from '../examples/place.ts';
import { eventually } from '../support.ts';
import { BARE_ENV } from './bare-root.ts';

/** What is waited for comes within seconds, and what `npx` downloads in a minute; only a fault takes so long. */
const SHOWN_MS = 300_000;

/** Begins a terminal there; the mounts are seen by what runs in it alone, since `ip netns exec` comes before. */
const ENTER =
  'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i "$@"';

/** The machine. */
export interface Machine {
  /** Types a line, and gives all that is shown once it is over. @throws Error where it fails */
  types(line: string): Promise<string>;
  /** Types a line that only looks, until it shows what matches. */
  sees(line: string, what: RegExp): Promise<string>;
  /** Types a line that goes on, in a terminal of its own. */
  begins(line: string): Running;
  /** Ends all that still goes on. */
  kill(): Promise<void>;
}

/** Sits down before the machine with that root folder; `prefix`: `ip netns exec …` of its host. */
export function sitBefore(root: string, prefix: readonly string[]): Machine {
  const enter = ['sh', '-c', ENTER, root, ...BARE_ENV, 'bash', '-c', 'cd && exec "$@"', 'bash'];
  const place: Place = { folder: root, env: {}, prefix: [...prefix, ...enter] };
  const started: Running[] = [];
  const begins = (line: string): Running => {
    const running = startShell(place, line);
    started.push(running);
    return running;
  };
  const types = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await begins(line).ended;
    if (code !== 0) throw new Error(`$ ${line}\n${stdout}${stderr}(ended with ${code})`);
    return stdout + stderr;
  };
  return {
    types,
    begins,
    sees: (line, what) =>
      eventually(
        `$ ${line}: ${String(what)}`,
        () => types(line),
        (text) => what.test(text),
        SHOWN_MS,
      ),
    async kill() {
      for (const { child } of started) child.kill('SIGKILL');
      await Promise.all(started.map(({ ended }) => ended));
    },
  };
}

/** What a line that goes on has shown of `what`. @throws Error where that does not come */
export async function shown(running: Running, what: RegExp): Promise<RegExpExecArray> {
  let last = '';
  const found = running.until((printed) => {
    last = printed;
    return what.exec(printed) ?? undefined;
  });
  if (!(await settledWithin(SHOWN_MS, found, systemClock)))
    throw new Error(`not shown: ${String(what)}, but\n${last}`);
  return found;
}
