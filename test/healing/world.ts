/** A node with one server, as a healer sees it: what it is asked, and what it answers. */
import type { JsonObject } from '../../src/core/index.ts';
import { createHealer } from '../../src/healing/index.ts';
import type { Healer } from '../../src/healing/index.ts';
import type { CallTool, Incident } from '../../src/healing/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';

/** The board of runbooks, as the node of a healer has it. */
export interface TestBoard {
  readonly entries: Map<string, { readonly by: string; readonly value: unknown }>;
  readonly writers: Set<string>;
  signed: boolean;
  open: boolean;
}

/** What becomes of the server when somebody restarts it. */
export type OnRestart = (run: number) => 'ready' | 'failed' | Error | Promise<Error | 'ready'>;

export class TestNode {
  readonly clock: TestClock = createTestClock();
  readonly calls: (readonly [tool: string, args: JsonObject])[] = [];
  readonly board: TestBoard = { entries: new Map(), writers: new Set(), signed: true, open: false };
  readonly said: string[] = [];
  log: string[] = [];
  onRestart: OnRestart = () => 'ready';
  restarts = 0;
  #state = 'ready';
  #error = '';
  #run = 1;
  readonly #wakers = new Set<() => void>();

  /** The server ends, and is not started again by itself. */
  fail(error = "server 'notes' was ended by SIGKILL"): void {
    this.#state = 'failed';
    this.#error = error;
    this.#changed();
  }

  healer(name = 'healer', init: Partial<Parameters<typeof createHealer>[1]> = {}): Healer {
    return createHealer(
      { call: this.#callAs(name), clock: this.clock, say: (text) => this.said.push(text) },
      {
        name,
        watch: [{ server: 'notes' }],
        board: 'runbooks',
        restarts: 3,
        withinMs: 600_000,
        steadyMs: 3000,
        ...init,
      },
    );
  }

  /** Lets time pass until `isMet`, a second at a time, for an hour at the most. */
  async until(isMet: () => boolean): Promise<void> {
    for (let second = 0; second < 3600; second += 1) {
      await turns();
      if (isMet()) return;
      this.clock.advance(1000);
    }
    throw new Error(`it did not come to that: ${this.said.join('\n')}`);
  }

  /** The last incident of a healer once there are `count`. */
  async incident(healer: Healer, count = 1): Promise<Incident> {
    await this.until(() => healer.incidents().length >= count);
    return healer.incidents()[count - 1] as Incident;
  }

  #callAs(name: string): CallTool {
    return async (tool, args) => {
      this.calls.push([tool, args]);
      const { server, key } = args;
      if (tool === 'starling__server_status') return this.#status(args);
      if (tool === 'starling__server_logs')
        return { server: server ?? '', lines: this.log.map((text) => ({ at: 0, text })) };
      if (tool === 'starling__server_restart') return this.#restart(Number(args['run']));
      if (tool === 'starling__board_info')
        return { open: this.board.open, signed: this.board.signed };
      if (tool === 'starling__board_get') {
        const entry = this.board.entries.get(String(key));
        if (entry === undefined) return { entry: null };
        return { entry: { ...entry } as JsonObject, writerMay: this.board.writers.has(entry.by) };
      }
      if (tool === 'starling__board_set') {
        if (!this.board.writers.has(name)) throw new Error(`${name} may not write there`);
        this.board.entries.set(String(key), { by: name, value: args['value'] });
        return {};
      }
      throw new Error(`no grant for ${tool}`);
    };
  }

  async #status({ timeout_s: waitS, version }: JsonObject): Promise<JsonObject> {
    if (version === this.#version()) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          cancel();
          this.#wakers.delete(done);
          resolve();
        };
        const cancel = this.clock.schedule(Number(waitS) * 1000, done);
        this.#wakers.add(done);
      });
    }
    const isFailed = this.#state === 'failed';
    const view = {
      server: 'notes',
      state: this.#state,
      run: this.#run,
      held: isFailed,
      ...(isFailed ? { error: this.#error } : {}),
    };
    return { servers: [view], version: this.#version() };
  }

  async #restart(run: number): Promise<JsonObject> {
    const answer = await this.onRestart(run);
    if (answer instanceof Error) throw answer;
    if (run !== this.#run) return { server: 'notes', restarted: false };
    this.restarts += 1;
    this.#run += 1;
    this.#state = answer;
    this.#changed();
    return { server: 'notes', restarted: true };
  }

  #version(): string {
    return `${this.#run} ${this.#state} ${this.#error}`;
  }

  #changed(): void {
    for (const wake of this.#wakers) wake();
  }
}

/** Lets all that waits for promises go on. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
