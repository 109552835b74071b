/**
 * Looks after servers: notices that one does not run, finds out why, does what its rules or a runbook say, by tools that
 * it was granted, makes sure of the outcome, and writes down what has helped. It calls five tools and no others, on the
 * servers that it was given; how often it restarts one is bounded, and what it can't mend it leaves to people, once.
 */
import { createScope, isObject, leftMs, messageOf, sleep } from '../core/index.ts';
import type { Clock, Json, JsonObject, Scope } from '../core/index.ts';
import { diagnose } from './diagnosis.ts';
import { createRunbooks } from './runbook.ts';
import type { Runbook, Runbooks } from './runbook.ts';
import type { CallTool, Finding, Incident, ServerState, Step, Watched } from './types.ts';

/** What a healer works with. */
export interface HealerComponents {
  readonly call: CallTool;
  readonly clock: Clock;
  /** Hears what it does and why: sentences for people. */
  say(text: string): void;
}

/** What a healer looks after, and its bounds. */
export interface HealerInit {
  readonly name: string;
  readonly watch: readonly Watched[];
  /** The board of runbooks; absent: it writes none, and uses none. */
  readonly board?: string | undefined;
  /** Restarts of one server within `withinMs`; then the server is left to people. */
  readonly restarts: number;
  readonly withinMs: number;
  /** How long a server has to run after a restart before that counts as mended. */
  readonly steadyMs: number;
}

/** Looks after servers from `start` until `stop`. */
export interface Healer {
  start(): void;
  /** Resolves when what it does has ended. */
  stop(): Promise<void>;
  /** The last incidents, the oldest first. */
  incidents(): readonly Incident[];
}

/** How long one call waits for a change of a server, and for its way. */
const LOOK_S = 60;
const WAY_MS = 30_000;
/** How long a restart may take, the wait for a person's approval included. */
const RESTART_MS = 3_900_000;
/** After which pause a node that did not answer is asked again. */
const AGAIN_MS = 2000;
/** The pause before the second restart within the window; doubled with each further one. */
const PAUSE_MS = 1000;
const INCIDENTS_MAX = 50;
const LOG_LINES = 40;

/** Makes a healer; `start` starts it. */
export function createHealer(components: HealerComponents, init: HealerInit): Healer {
  return new RuleHealer(components, init);
}

/** One incident while it goes on. */
interface Case {
  readonly watched: Watched;
  readonly state: ServerState;
  readonly finding: Finding;
  readonly startedAt: number;
  /** Of the board, where that is used. */
  readonly runbook: Runbook | undefined;
}

class RuleHealer implements Healer {
  readonly #components: HealerComponents;
  readonly #init: HealerInit;
  readonly #scope: Scope;
  readonly #runbooks: Runbooks | undefined;
  readonly #incidents: Incident[] = [];
  /** When it has restarted which server, ms since the epoch: within the window. */
  readonly #restarts = new Map<string, number[]>();
  #watching: readonly Promise<void>[] = [];

  constructor(components: HealerComponents, init: HealerInit) {
    this.#components = components;
    this.#init = init;
    this.#scope = createScope(components.clock);
    const { board } = init;
    this.#runbooks = board === undefined ? undefined : createRunbooks(components.call, board);
  }

  start(): void {
    this.#watching = this.#init.watch.map((watched) => this.#watch(watched));
  }

  async stop(): Promise<void> {
    this.#scope.close();
    await Promise.all(this.#watching);
  }

  incidents(): readonly Incident[] {
    return [...this.#incidents];
  }

  /** Follows one server until the healer is stopped. Never rejects. */
  async #watch(watched: Watched): Promise<void> {
    let version: string | undefined;
    /** The run that was dealt with: what is left to people is left until something changes. */
    let dealtWith: number | undefined;
    let trouble = '';
    this.#say(watched, 'is looked after');
    while (!this.#scope.closed) {
      try {
        const seen = await this.#look(watched, version);
        version = seen.version;
        trouble = '';
        const { state } = seen;
        if (state.state === 'failed' && state.held && state.run !== dealtWith) {
          dealtWith = state.run;
          await this.#deal(watched, state);
          version = undefined;
        }
      } catch (error) {
        const why = messageOf(error);
        if (why !== trouble && !this.#scope.closed) this.#say(watched, `can't be seen: ${why}`);
        trouble = why;
        version = undefined;
        await sleep(this.#scope, AGAIN_MS);
      }
    }
  }

  async #look(
    { node, server }: Watched,
    version?: string,
    waitS: number = LOOK_S,
  ): Promise<{ readonly state: ServerState; readonly version: string }> {
    const wait = version === undefined ? {} : { version, timeout_s: waitS };
    const answer = await this.#call(
      node,
      'server_status',
      { server, ...wait },
      waitS * 1000 + WAY_MS,
    );
    return readStatus(answer, server);
  }

  async #deal(watched: Watched, state: ServerState): Promise<void> {
    const startedAt = this.#components.clock.now();
    this.#say(watched, `does not run: ${state.error}`);
    const finding = diagnose(state, await this.#log(watched));
    this.#say(watched, `diagnosis: ${finding.cause} (${finding.why})`);
    const one = { watched, state, finding, startedAt, runbook: undefined };
    if (finding.plan.length === 0) return this.#end(one, 'left', finding.why);
    const runbook = await this.#runbook(watched, finding);
    const known = { ...one, runbook };
    try {
      await this.#follow(known, runbook?.steps ?? finding.plan);
    } catch (error) {
      this.#end(known, 'left', messageOf(error));
    }
  }

  /** What the server wrote is worth something, and not needed. */
  async #log({ node, server }: Watched): Promise<readonly string[]> {
    try {
      const answer = await this.#call(node, 'server_logs', { server, lines: LOG_LINES }, WAY_MS);
      const { lines } = answer;
      if (!Array.isArray(lines)) return [];
      return (lines as readonly Json[])
        .map((line) =>
          line !== null && typeof line === 'object' && 'text' in line ? line.text : '',
        )
        .filter((text): text is string => typeof text === 'string');
    } catch (error) {
      this.#say({ node, server }, `its log can't be read: ${messageOf(error)}`);
      return [];
    }
  }

  async #runbook(watched: Watched, { cause }: Finding): Promise<Runbook | undefined> {
    try {
      const { refused, runbook } = (await this.#runbooks?.find(watched, cause)) ?? {};
      if (refused !== undefined) this.#say(watched, `a runbook is not used: ${refused}`);
      if (runbook !== undefined) {
        const times = runbook.healed === 1 ? 'once' : `${runbook.healed} times`;
        this.#say(watched, `a runbook has mended that ${times}: it is the plan`);
      }
      return runbook;
    } catch (error) {
      this.#say(watched, `the runbooks can't be read: ${messageOf(error)}`);
      return undefined;
    }
  }

  async #follow(one: Case, plan: readonly Step[]): Promise<void> {
    const { watched, state } = one;
    for (const step of plan) {
      if (this.#scope.closed) return;
      if (step.do === 'wait') {
        this.#say(watched, `waits ${step.ms} ms`);
        await sleep(this.#scope, step.ms);
        const now = await this.#look(watched);
        if (now.state.state !== 'failed') return this.#end(one, 'mended', 'it came back by itself');
        continue;
      }
      const times = this.#timesOf(watched);
      if (times.length >= this.#init.restarts) {
        const minutes = Math.round(this.#init.withinMs / 60_000);
        const why = `it was restarted ${times.length} times in ${minutes} minutes and does not stay: a person has to look`;
        return this.#end(one, 'left', why);
      }
      if (times.length > 0) await sleep(this.#scope, PAUSE_MS * 2 ** (times.length - 1));
      if (this.#scope.closed) return;
      const done = await this.#restart(watched, state.run);
      if (!(await this.#isSteady(watched))) {
        return this.#end(one, 'left', 'it has ended again');
      }
      if (!done) return this.#end(one, 'mended', 'somebody else has restarted it');
      await this.#write(one, plan);
      return this.#end(one, 'healed', one.finding.why);
    }
  }

  /** False where somebody else did it since. @throws what the node says, a person's no included */
  async #restart({ node, server }: Watched, run: number): Promise<boolean> {
    this.#say({ node, server }, 'restart: asked for');
    const answer = await this.#call(node, 'server_restart', { server, run }, RESTART_MS);
    if (answer['restarted'] !== true) return false;
    this.#timesOf({ node, server }).push(this.#components.clock.now());
    this.#say({ node, server }, 'restart: done');
    return true;
  }

  /** Whether the server runs now, and goes on for a while. */
  async #isSteady(watched: Watched): Promise<boolean> {
    const { clock } = this.#components;
    const until = clock.now() + this.#init.steadyMs;
    let { state, version } = await this.#look(watched);
    while (!this.#scope.closed) {
      if (state.state === 'failed' || state.state === 'stopped') return false;
      const left = leftMs(clock, until, this.#init.steadyMs);
      if (left === 0) return state.state !== 'starting';
      ({ state, version } = await this.#look(watched, version, left / 1000));
    }
    return false;
  }

  async #write(
    { finding, runbook, startedAt, watched }: Case,
    plan: readonly Step[],
  ): Promise<void> {
    if (this.#runbooks === undefined) return;
    const { cause, evidence } = finding;
    try {
      await this.#runbooks.write(watched, {
        form: 'runbook/1',
        server: watched.server,
        cause,
        steps: [...plan],
        evidence: [...evidence],
        healer: this.#init.name,
        healed: (runbook?.healed ?? 0) + 1,
        tookMs: this.#components.clock.now() - startedAt,
      });
      this.#say(watched, `the runbook for ${cause} is written`);
    } catch (error) {
      this.#say(watched, `no runbook is written: ${messageOf(error)}`);
    }
  }

  #end(
    { finding, runbook, startedAt, state, watched }: Case,
    ending: Incident['ending'],
    why: string,
  ): void {
    const now = this.#components.clock.now();
    const words = {
      healed: 'runs again',
      mended: `runs again: ${why}`,
      left: `is left to a person: ${why}`,
    };
    this.#say(watched, words[ending]);
    this.#incidents.push({
      ...watched,
      run: state.run,
      cause: finding.cause,
      by: runbook === undefined ? 'rules' : 'runbook',
      ending,
      why,
      restarts: this.#timesOf(watched).filter((at) => at >= startedAt).length,
      tookMs: now - startedAt,
      at: new Date(now).toISOString(),
    });
    if (this.#incidents.length > INCIDENTS_MAX) this.#incidents.shift();
  }

  /** The restarts within the window. */
  #timesOf(watched: Watched): number[] {
    const key = nameOf(watched);
    const oldest = this.#components.clock.now() - this.#init.withinMs;
    const times = (this.#restarts.get(key) ?? []).filter((at) => at > oldest);
    this.#restarts.set(key, times);
    return times;
  }

  #call(
    node: string | undefined,
    tool: string,
    args: JsonObject,
    timeoutMs: number,
  ): Promise<JsonObject> {
    const at = node === undefined ? '' : `${node}__`;
    return this.#components.call(`${at}starling__${tool}`, args, timeoutMs);
  }

  #say(watched: Watched, text: string): void {
    this.#components.say(`${nameOf(watched)} ${text}`);
  }
}

function nameOf({ node, server }: Watched): string {
  return node === undefined ? server : `${server}@${node}`;
}

/** @throws TypeError for what is no status */
function readStatus(
  { servers, version }: JsonObject,
  server: string,
): { readonly state: ServerState; readonly version: string } {
  const all = Array.isArray(servers) ? (servers as readonly Json[]) : [];
  const [view] = all.filter((one): one is JsonObject => isObject(one) && one['server'] === server);
  const { error = '', held, run, state } = view ?? {};
  if (
    typeof version !== 'string' ||
    typeof state !== 'string' ||
    typeof run !== 'number' ||
    typeof held !== 'boolean' ||
    typeof error !== 'string'
  ) {
    throw new TypeError(`the node did not say how ${server} does`);
  }
  return { state: { state, run, held, error }, version };
}
