/**
 * Walks a page of `examples/` as a stranger does, line by line and as written: each machine is a host of its own (a
 * network namespace) with an empty home folder and a copy of `examples/`, and what is shown is compared with the page.
 */
import { cp, mkdir, readFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { settledWithin, systemClock } from '../../../src/core/index.ts';
import { runTogether } from '../../cli/support.ts';
import { inPlace, programsIn, startShell, wordsOf } from '../examples/place.ts';
import type { Place, Running } from '../examples/place.ts';
import { createTestNetwork } from '../mesh/namespaces.ts';
import { createWorld, eventually } from '../support.ts';
import { filled, found, goesOn, stepsOf } from './page.ts';
import type { Step } from './page.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../../examples');
/** What is shown comes within seconds; only a fault takes so long. */
const SHOWN_MS = 90_000;
/** The code of a node that Ctrl-C has ended. */
const INTERRUPTED = 130;
/** For a whole page, on a busy machine. */
export const WALK_MS = 400_000;

/** Commands that only look: a person who does not see yet what the page shows looks again. */
const LOOKS =
  /^starling (?:peers|tools|status|members|ping|approvals$|agent (?:list|logs|info)|board (?:get|list)|model (?:list|test)|mcp (?:list|logs)|grant list|llm stats|audit query)/;

/** Hosts of their own. */
interface Hosts {
  prefix(host: number): readonly string[];
  remove(): Promise<void>;
}

/** What the page takes for granted. */
export interface WalkInit {
  /** The machines by the words before the prompts; the first one is the first host. */
  readonly machines: readonly string[];
  /** Makes the network that is between them; one switch, if nothing else is said. */
  readonly network?: (hosts: number) => Promise<Hosts>;
  /** Programs that run before anybody types: the command of each, and what it prints once it is there. */
  readonly before?: readonly {
    readonly at: string;
    readonly line: string;
    readonly says: RegExp;
  }[];
}

/** Follows `examples/<folder>/README.md` to its end. Fails at the first line that shows something else. */
export async function walk(folder: string, init: WalkInit): Promise<void> {
  const page = await readFile(join(EXAMPLES, folder, 'README.md'), 'utf8');
  const steps = stepsOf(page);
  const { world, end } = createWorld();
  onTestFinished(end);
  const root = await world.root();
  const programs = await programsIn(join(root, 'bin'));
  const network = await (init.network ?? createTestNetwork)(init.machines.length);
  world.defer(() => network.remove());
  const walker = new Walker();
  world.defer(() => walker.kill());
  for (const [index, name] of init.machines.entries()) {
    const home = join(root, name);
    const clone = join(home, 'starling');
    await mkdir(clone, { recursive: true });
    await cp(EXAMPLES, join(clone, 'examples'), { recursive: true });
    const env = { HOME: home, PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}` };
    walker.machines.set(name, { folder: clone, env, prefix: network.prefix(index + 1) });
  }
  for (const { at, line, says } of init.before ?? []) await walker.runs(at, line).says(says);
  try {
    for (const step of steps) {
      if ('later' in step) await walker.goesOnWith(step.later);
      else await walker.types(step);
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${await walker.terminals()}`, { cause: error });
  }
  await walker.leaves();
}

/** A command that runs in a terminal of its own, and what the page has shown of it so far. */
interface Open {
  readonly step: Step;
  readonly running: Running;
}

class Walker {
  readonly machines = new Map<string, Place>();
  readonly #named = new Map<string, string>();
  readonly #started: Running[] = [];
  readonly #nodes: Open[] = [];
  readonly #waiting: Open[] = [];

  /** Types a command, and compares what it shows. */
  async types(step: Step): Promise<void> {
    const { at, command, shown } = step;
    const place = this.#place(at);
    const [, folder] = /^cd (\S+)$/.exec(command) ?? [];
    if (folder !== undefined) {
      this.machines.set(at, { ...place, folder: resolve(place.folder, folder) });
      return;
    }
    const line = filled(command, this.#named);
    const isLook = LOOKS.test(line);
    const isOpen = goesOn(shown) && !isFailure(shown) && /^starling (?:up|call) /.test(line);
    if (isOpen) {
      const open = { step, running: this.runs(at, line) };
      (line.startsWith('starling up ') ? this.#nodes : this.#waiting).push(open);
      await this.#shows(open, shown);
    } else if (isLook) {
      const seen = await eventually(
        this.#asWritten(step),
        () => this.#once(place, line),
        (ran) => this.#fits(shown, ran),
        SHOWN_MS,
      );
      this.#learn(shown, seen.said);
    } else {
      const ran = await this.#once(place, line);
      if (!this.#fits(shown, ran)) {
        throw new Error(`${this.#asWritten(step)}\nwas, with ${ran.code}:\n${ran.said}`);
      }
      this.#learn(shown, ran.said);
    }
  }

  /** The command that was left waiting last shows this, and has then ended well where the page shows no more. */
  async goesOnWith(later: readonly string[]): Promise<void> {
    const open = this.#waiting.pop();
    if (open === undefined) throw new Error(`nothing waits that could show:\n${later.join('\n')}`);
    const shown = [...open.step.shown, ...later];
    if (goesOn(later)) {
      this.#waiting.push({ ...open, step: { ...open.step, shown } });
      await this.#shows(open, shown);
      return;
    }
    const { code, stdout } = await open.running.ended;
    if (code === 0 && found(shown, stdout, this.#named) !== undefined) return;
    throw new Error(`${this.#asWritten({ ...open.step, shown })}\nwas, with ${code}:\n${stdout}`);
  }

  /** Ctrl-C in each terminal where a node runs; what else goes on must have come to its end. */
  async leaves(): Promise<void> {
    for (const open of this.#waiting) await this.#endsWith(0, open);
    for (const { running } of this.#nodes) running.interrupt();
    for (const open of this.#nodes) await this.#endsWith(INTERRUPTED, open);
  }

  async #endsWith(wanted: number, { running, step }: Open): Promise<void> {
    const { code, stdout } = await running.ended;
    if (code !== wanted) throw new Error(`'${step.command}' ended with ${code}:\n${stdout}`);
  }

  /** Starts a line in a terminal of its own. */
  runs(at: string, line: string): Running {
    const running = startShell(this.#place(at), together(line));
    this.#started.push(running);
    return running;
  }

  /** What stands in the terminals that are open. */
  async terminals(): Promise<string> {
    const texts = [...this.#nodes, ...this.#waiting].map(({ running, step }) =>
      running.until((printed) => `${step.at}$ ${step.command}\n${printed}`).catch(String),
    );
    return (await Promise.all(texts)).join('\n');
  }

  /** Ends all that still runs. */
  async kill(): Promise<void> {
    for (const { child } of this.#started) child.kill('SIGKILL');
    await Promise.all(this.#started.map(({ ended }) => ended));
  }

  #place(at: string): Place {
    const place = this.machines.get(at);
    if (place === undefined) throw new Error(`the page has no machine ${at}`);
    return place;
  }

  /** Runs a line to its end: in this process where it is a plain command of ours, which spares starting one. */
  async #once(place: Place, line: string): Promise<Ended> {
    const isPlain =
      line.startsWith('starling ') && !/[|<>&;$]/.test(line.replaceAll(/'[^']*'/g, ''));
    if (isPlain) return inPlace(place, () => runTogether(...wordsOf(line).slice(1)));
    const running = startShell(place, together(line));
    this.#started.push(running);
    const { code, stdout } = await running.ended;
    return { code, said: stdout };
  }

  #fits(shown: readonly string[], { code, said }: Ended): boolean {
    return (code === 0) !== isFailure(shown) && found(shown, said, this.#named) !== undefined;
  }

  #learn(shown: readonly string[], said: string): void {
    for (const [name, value] of found(shown, said, this.#named) ?? []) this.#named.set(name, value);
  }

  async #shows({ running, step }: Open, shown: readonly string[]): Promise<void> {
    let last = '';
    const whole = running.until((printed) => {
      last = printed;
      return found(shown, printed, this.#named);
    });
    if (!(await settledWithin(SHOWN_MS, whole, systemClock))) {
      throw new Error(`${this.#asWritten({ ...step, shown })}\nwas after ${SHOWN_MS} ms:\n${last}`);
    }
    for (const [name, value] of await whole) this.#named.set(name, value);
  }

  #asWritten({ at, command, shown }: Step): string {
    return `${at}$ ${command}\n${shown.join('\n')}`;
  }
}

/** Whether the page shows that a command fails. */
function isFailure(shown: readonly string[]): boolean {
  return shown.some((line) => /^(?:error:|failed[: ])/.test(line));
}

/** How a line has ended, and what it has printed on both streams, in order. */
interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** The line with its standard error where its standard output goes, as on a terminal. */
function together(line: string): string {
  const isOne = /^(?:starling|node) |^[A-Z_]+=/.test(line);
  return `exec 2>&1; ${isOne ? 'exec env ' : ''}${line}`;
}
