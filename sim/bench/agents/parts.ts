/** The parts of the benchmark of agents: each gives figures of something that ran beside it in the same minutes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { percentile } from '../../report.ts';
import { cpuUs, rssMiB } from '../cpu.ts';
import { TITLES } from '../bars.ts';
import { startRequestFloors } from '../floors/start.ts';
import type { Sample } from '../job.ts';
import { startLoader } from '../loader-process.ts';
import type { Loader } from '../loader-process.ts';
import type { AgentsSize } from '../size.ts';
import { KIND, PROGRAM, call } from './world.ts';
import type { Machine } from './world.ts';

const HELLO = 'hello world';
const POLL_MS = 100;
const MIB = 1024 * 1024;

/** Requests by one way, so many at a time: medians of rounds. */
export interface RequestRow extends Sample {
  readonly title: string;
  readonly callers: number;
  readonly rounds: readonly Sample[];
}

/** Ways by which requests are asked. */
export const WAYS = {
  agent: 'agent of a peer',
  tool: 'tool of a peer',
  floor: TITLES.libp2pEcho,
  program: TITLES.libp2pProgram,
  nats: TITLES.nats,
} as const;

interface Way {
  readonly title: string;
  readonly session: string;
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Of those processes the CPU time is counted. */
  readonly pids: readonly number[];
}

/** Who calls what. */
interface Load {
  readonly loader: Loader;
  readonly ways: readonly Way[];
}

/**
 * Requests to an agent of `owner` through `entry`, beside calls of a tool there, NATS with a queue group, and the same
 * bytes over bare libp2p: what is left where nobody is asked for a right and nothing is written down.
 */
export async function measureRequests(
  { owner, entry }: { readonly owner: Machine; readonly entry: Machine },
  { root, upstream }: { readonly root: string; readonly upstream: string },
  size: AgentsSize,
): Promise<readonly RequestRow[]> {
  await call(owner, 'agent_spawn', { agentType: KIND, name: 'echo', wait_s: 60 });
  const loader = startLoader();
  const floors = size.rivals ? await startRequestFloors(root, upstream) : undefined;
  try {
    const { socket } = entry.node.up.endpoints;
    const tool = 'owner__small__echo';
    await loader.open({ session: 'peer', target: { kind: 'socket', path: socket }, tool });
    const message = { agentId: 'echo@owner', message: HELLO, type: 'query' };
    const pids = [owner, entry].flatMap(({ node }) => node.child.pid ?? []);
    const request = { session: 'peer', tool: 'starling__agent_message', args: message };
    const ways: Way[] = [
      { title: WAYS.agent, ...request, pids },
      { title: WAYS.tool, session: 'peer', tool, args: { message: HELLO }, pids },
    ];
    for (const floor of floors === undefined ? [] : [floors.libp2p, floors.program]) {
      await loader.open({ session: floor.title, target: floor.target, tool: 'echo' });
      // The bytes of a request to an agent: whoever answers is told by no name.
      ways.push({ ...request, title: floor.title, session: floor.title, pids: floor.pids });
    }
    if (floors?.nats !== undefined) {
      const { target, pids: own } = floors.nats;
      await loader.open({ session: 'nats', target, tool: 'echo' });
      ways.push({ ...request, title: WAYS.nats, session: 'nats', pids: own });
    }
    const rows: RequestRow[] = [];
    for (const callers of size.callers) {
      rows.push(...(await inTurn({ loader, ways }, callers, size)));
    }
    return rows;
  } finally {
    loader.stop();
    floors?.stop();
    // It has the capability of those that are chosen among later, and sixty-four places.
    await call(owner, 'agent_retire', { agentId: 'echo' });
  }
}

/** Rounds that alternate between the ways, so that a busy machine is busy for all. */
async function inTurn(
  { loader, ways }: Load,
  callers: number,
  { rounds, roundMs, warmUpMs }: AgentsSize,
): Promise<readonly RequestRow[]> {
  const samples = new Map<string, Sample[]>(ways.map(({ title }) => [title, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { title, session, tool, args, pids } of ways) {
      const expect = { text: HELLO, sizeBytes: HELLO.length };
      const job = { session, tool, args, expect, callers, pids, warmUpMs, durationMs: roundMs };
      samples.get(title)?.push(await loader.run(job));
    }
  }
  return [...samples].map(([title, all]) => {
    const median = (pick: (sample: Sample) => number): number => percentile(all.map(pick), 0.5);
    return {
      title,
      callers,
      rounds: all,
      perSecond: median(({ perSecond }) => perSecond),
      p50Us: median(({ p50Us }) => p50Us),
      p99Us: median(({ p99Us }) => p99Us),
      cpuUsPerCall: median((one) => one.cpuUsPerCall ?? Number.NaN),
    };
  });
}

/** How long an agent takes to be ready, and its program alone to be initialised: medians, ms. */
export interface StartFigures {
  readonly agentMs: number;
  readonly bareMs: number;
}

/** Starts agents and bare processes, one after the other. */
export async function measureStarts(owner: Machine, { starts }: AgentsSize): Promise<StartFigures> {
  const agents: number[] = [];
  const bare: number[] = [];
  for (let count = 0; count < starts; count += 1) {
    const { initialisationMetrics } = await call<{
      initialisationMetrics?: { readonly spawnTime: number };
    }>(owner, 'agent_spawn', { agentType: KIND, name: `start-${count}`, wait_s: 60 });
    agents.push(initialisationMetrics?.spawnTime ?? Number.NaN);
    await call(owner, 'agent_retire', { agentId: `start-${count}` });
    bare.push(await bareStart());
  }
  return { agentMs: percentile(agents, 0.5), bareMs: percentile(bare, 0.5) };
}

async function bareStart(): Promise<number> {
  const from = performance.now();
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  for (const [id, method] of ['initialize', 'tools/list'].entries()) {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params: {} })}\n`);
    await once(lines, 'line');
  }
  const tookMs = performance.now() - from;
  child.kill();
  await once(child, 'exit');
  return tookMs;
}

/** What agents cost that do nothing. */
export interface IdleFigures {
  readonly agents: number;
  /** Share of one core, node and agents together. */
  readonly core: number;
  /** MiB of each agent, its share of what the node takes for it included, over a bare Node process. */
  readonly mibEach: number;
}

/** Runs so many idle agents for a while. */
export async function measureIdle(
  owner: Machine,
  { idleAgents, idleMs }: AgentsSize,
): Promise<IdleFigures> {
  const nodePid = owner.node.child.pid ?? 0;
  const before = rssMiB(nodePid);
  const pids: number[] = [];
  const names = Array.from({ length: idleAgents }, (_, at) => `idle-${at}`);
  for (const name of names) {
    await call(owner, 'agent_spawn', { agentType: KIND, name, wait_s: 60 });
    const { run } = await call<{ run: { pids: number[] } }>(owner, 'agent_info', { agentId: name });
    pids.push(...run.pids.flatMap(programsOf));
  }
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)']);
  await once(bare, 'spawn');
  // After much work, as fifty starts, V8 collects what is left of that for some ten seconds more: nobody is idle before.
  await wait(idleMs);
  const all = [nodePid, ...pids];
  const [cpuBefore = Number.NaN, from] = [cpuUs(all), performance.now()];
  await wait(idleMs);
  const core = ((cpuUs(all) ?? Number.NaN) - cpuBefore) / 1000 / (performance.now() - from);
  const agents = pids.reduce((sum, pid) => sum + rssMiB(pid), 0);
  const mibEach = (agents + rssMiB(nodePid) - before) / idleAgents - rssMiB(bare.pid ?? 0);
  bare.kill();
  for (const name of names) await call(owner, 'agent_retire', { agentId: name });
  return { agents: idleAgents, core, mibEach };
}

/** A process and those that it has started: what stands around a program is its parent. */
function programsOf(pid: number): readonly number[] {
  const found = [pid];
  for (const one of found) found.push(...childrenOf(one));
  return found;
}

/** See proc(5), `children` of task; none where there is no such file. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    // It has ended, or the system has no such file.
    return [];
  }
}

/** How far those came who take all that they can get, as shares of their limits. */
export interface HogFigures {
  readonly memory: number;
  readonly cpu: number;
}

/** Runs one that takes memory until it ends, and one that takes two cores and has one. */
export async function measureHogs(
  owner: Machine,
  { hogMiB, burnMs }: AgentsSize,
): Promise<HogFigures> {
  const spawned = { agentType: KIND, wait_s: 60 };
  const memoryLimit = `${hogMiB}Mi`;
  await call(owner, 'agent_spawn', { ...spawned, name: 'eater', resources: { memoryLimit } });
  const message = { agentId: 'eater', message: { do: 'eat' }, type: 'query', timeout: 120_000 };
  await call(owner, 'agent_message', message).catch(() => undefined);
  const { lines } = await call<{ lines: { text: string }[] }>(owner, 'agent_logs', {
    agentId: 'eater',
    limit: 500,
  });
  const taken = lines.map(({ text }) => Number(/^rss (\d+)$/.exec(text)?.[1] ?? 0));
  await call(owner, 'agent_spawn', {
    ...spawned,
    name: 'burner',
    resources: { cpuLimit: '1000m' },
  });
  const { response } = await call<{ response: number }>(owner, 'agent_message', {
    agentId: 'burner',
    message: { do: 'burn', ms: burnMs, threads: 2 },
    type: 'query',
    timeout: 120_000,
  });
  for (const name of ['eater', 'burner']) await call(owner, 'agent_retire', { agentId: name });
  return { memory: Math.max(...taken) / (hogMiB * MIB), cpu: response };
}

/** What became of messages for an agent whose node was away. */
export interface QueueFigures {
  readonly sent: number;
  readonly arrived: number;
  readonly isInOrder: boolean;
  /** From the moment at which its node was there again, ms. */
  readonly tookMs: number;
}

/** Sends to a node that is away, has it come back, and looks what its agent got. */
export async function measureQueue(
  entry: Machine,
  owner: { leave(): Promise<void>; comesBack(): Promise<Machine> },
  { queued }: AgentsSize,
): Promise<QueueFigures> {
  await owner.leave();
  for (let n = 0; n < queued; n += 1) {
    await call(entry, 'agent_message', {
      agentId: 'counter@owner',
      message: { do: 'count', n },
      type: 'command',
    });
  }
  const back = await owner.comesBack();
  const from = performance.now();
  for (;;) {
    const { response } = await call<{ response: { counted: number; isInOrder: boolean } }>(
      back,
      'agent_message',
      { agentId: 'counter', message: { do: 'counted' }, type: 'query' },
    );
    const { counted: arrived, isInOrder } = response;
    const tookMs = performance.now() - from;
    if (arrived >= queued || tookMs > queued * 20 + 60_000) {
      return { sent: queued, arrived, isInOrder, tookMs };
    }
    await wait(POLL_MS);
  }
}

/** Requests to agents of several nodes, by who chooses: ms. */
export interface ChoosingRow {
  readonly title: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Who chooses. */
export const CHOOSERS = {
  two: 'two asked on the spot',
  heartbeat: 'least loaded by heartbeat',
} as const;
const HEARTBEAT_MS = 5000;

interface Listed {
  readonly endpoint: string;
  readonly busy: number;
}

/** Requests that come by chance, as many as keep the agents of all nodes busy for 70 % of the time. */
export async function measureChoosing(
  entry: Machine,
  workers: number,
  { serviceMs, choosingMs }: AgentsSize,
): Promise<readonly ChoosingRow[]> {
  const asked = (): Promise<unknown> =>
    call(entry, 'capability_request', {
      capability: 'work',
      parameters: work(serviceMs),
      timeout: 120_000,
    });
  let known: readonly Listed[] = [];
  // As a heartbeat would say it: how each does at this moment, and no list that is older.
  const look = async (): Promise<void> => {
    const listed = await call<{ agents: Listed[] }>(entry, 'agent_list', { capability: 'work' });
    known = await Promise.all(
      listed.agents.map(({ endpoint }) => call<Listed>(entry, 'agent_info', { agentId: endpoint })),
    );
  };
  const byHeartbeat = (): Promise<unknown> => {
    const [least] = known.toSorted((one, other) => one.busy - other.busy);
    return call(entry, 'agent_message', {
      agentId: least?.endpoint ?? '',
      message: work(serviceMs),
      type: 'query',
      timeout: 120_000,
    });
  };
  const load = { meanGapMs: serviceMs / (workers * 0.7), durationMs: choosingMs };
  await look();
  const two = await arrivals(asked, load);
  const timer = setInterval(() => void look(), HEARTBEAT_MS);
  const one = await arrivals(byHeartbeat, load);
  clearInterval(timer);
  return [
    { title: CHOOSERS.two, ...two },
    { title: CHOOSERS.heartbeat, ...one },
  ];
}

/** Exponential, as the times between arrivals are. */
function byChance(mean: number): number {
  return -Math.log(1 - Math.random()) * mean;
}

const work = (serviceMs: number): object => ({ do: 'sleep', ms: Math.round(byChance(serviceMs)) });

async function arrivals(
  request: () => Promise<unknown>,
  { meanGapMs, durationMs }: { readonly meanGapMs: number; readonly durationMs: number },
): Promise<{ p50Ms: number; p99Ms: number }> {
  const took: number[] = [];
  const running: Promise<void>[] = [];
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    await wait(byChance(meanGapMs));
    const from = performance.now();
    running.push(request().then(() => void took.push(performance.now() - from)));
  }
  await Promise.all(running);
  return { p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) };
}
