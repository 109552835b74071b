/** Where a story is told: its nodes, each a process, what is done at them, and what a person sees of that. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import type { JsonObject } from '../../src/index.ts';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';

/** How long a story waits for one thing. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 100;
/** How long one call may take: those of a story wait for people and restarts. */
const CALL_MS = 120_000;

/** By which program its nodes run, below which folder, and who hears each line. */
export interface StageInit {
  readonly cli: string;
  readonly root: string;
  readonly print: (line: string) => void;
}

/** The nodes of one story, and what is done and shown there. */
export class Stage {
  readonly #init: StageInit;
  readonly #nodes: NodeProcess[] = [];
  readonly #tokens = new Map<NodeProcess, string>();
  #steps = 0;

  constructor(init: StageInit) {
    this.#init = init;
  }

  get cli(): string {
    return this.#init.cli;
  }

  say(line = ''): void {
    this.#init.print(line === '' ? '' : `  ${line}`);
  }

  step(title: string): void {
    this.#steps += 1;
    this.#init.print('');
    this.#init.print(pc.bold(`${this.#steps}. ${title}`));
  }

  show(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#init.print(`      ${line}`);
  }

  /** Writes a program of the story; gives its path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.#init.root, name);
    await writeFile(path, text);
    return path;
  }

  /** Starts a node: the first one founds the mesh, the others join it. */
  async node(name: string, config: Readonly<Record<string, unknown>> = {}): Promise<NodeProcess> {
    const { cli, root } = this.#init;
    const [first] = this.#nodes;
    const ticket =
      first === undefined ? undefined : (await this.tool(first, 'invite_create', {}))['ticket'];
    const env = typeof ticket === 'string' ? { STARLING_JOIN: ticket } : {};
    const node = await startProcess({ cli, root, name, config, env });
    this.#nodes.push(node);
    this.#tokens.set(node, (await readFile(node.up.endpoints.tokenFile ?? '', 'utf8')).trim());
    this.say(`${pc.green(name)} is up: process ${String(node.child.pid)}`);
    return node;
  }

  /** Runs a command at a node, and shows the command and what it printed. */
  async shell(node: NodeProcess, ...args: string[]): Promise<string> {
    this.command(node, ...args);
    const { stderr, stdout } = await node.run(args);
    // What it says on the way, and then what came of it.
    const said = stderr + stdout;
    if (said.trim() !== '') this.show(said);
    return said;
  }

  /** Shows the command that a call of {@link tool} is. */
  command({ name }: NodeProcess, ...args: string[]): void {
    this.say(pc.cyan(`${name}$ starling ${args.map(quoted).join(' ')}`));
  }

  /** Calls a tool as whoever holds the node. @throws Error with what the tool says */
  async tool(node: NodeProcess, tool: string, args: JsonObject): Promise<JsonObject> {
    const answer = await fetch(`${node.up.endpoints.url ?? ''}/tools/${tool}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#tokens.get(node) ?? ''}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(CALL_MS),
    });
    const said = (await answer.json()) as JsonObject;
    if (!answer.ok || said['isError'] === true) throw new Error(`${tool}: ${JSON.stringify(said)}`);
    const { structuredContent } = said;
    return (structuredContent ?? said) as JsonObject;
  }

  /** Looks until `isMet`, for a minute at the most. */
  async until<T>(what: string, look: () => Promise<T>, isMet: (seen: T) => boolean): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    let last: unknown;
    while (Date.now() < deadline) {
      try {
        const seen = await look();
        if (isMet(seen)) return seen;
        last = seen;
      } catch (error) {
        // A node that does not know of something yet says so.
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    const seen = last instanceof Error ? last.message : JSON.stringify(last);
    throw new Error(`waited a minute in vain until ${what}; last: ${seen}`);
  }

  /** All nodes see all others. */
  async met(): Promise<void> {
    for (const node of this.#nodes) {
      await this.until(
        `${node.name} sees the others`,
        () => this.tool(node, 'status', {}),
        (status) => (status['peers'] as { alive: number }).alive >= this.#nodes.length - 1,
      );
    }
  }

  /** Ends all nodes. */
  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word}'`;
}
