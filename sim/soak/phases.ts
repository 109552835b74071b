/** What is done to the node, phase by phase. Each counts what it asked for and what it got. */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { openRoad } from './session.ts';
import type { Outcome, Road, SoakSession } from './session.ts';
import { FRAIL, startFar } from './world.ts';
import type { World } from './world.ts';

const ROADS = 8;
const LOADERS = 8;
const IN_FLIGHT = 3;
const SLOW_MS = 30_000;
const ARRIVED_TIMEOUT_MS = 20_000;
const SLOW_READERS = 8;
const SLOW_BYTES = 64 * 1024;
const NOT_READING_MS = 1000;
const LISTED_TIMEOUT_MS = 30_000;

/** How many answers a phase was owed, and how many were right. */
export interface Tally {
  asked: number;
  right: number;
  /** The first things that went wrong. */
  readonly wrongs: string[];
}

/** Nothing yet. */
export function newTally(): Tally {
  return { asked: 0, right: 0, wrongs: [] };
}

function expect(tally: Tally, isRight: boolean, what: () => string): void {
  tally.asked += 1;
  if (isRight) tally.right += 1;
  else if (tally.wrongs.length < 5) tally.wrongs.push(what().slice(0, 300));
}

async function onRoads(
  open: () => Promise<Road>,
  count: number,
  work: (road: Road, index: number) => Promise<void>,
): Promise<void> {
  const roads = await Promise.all(Array.from({ length: ROADS }, open));
  let next = 0;
  const walk = async (road: Road): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(road, next);
    }
  };
  await Promise.all(roads.map(walk));
  for (const road of roads) road.close();
}

async function echoes(session: SoakSession, tool: string, message: string, tally: Tally) {
  const { text, error } = await session.call(tool, { message });
  expect(tally, text === message, () => `${tool}: ${error ?? text}`);
}

/** Opens sessions, asks each one thing, and never closes any. */
export async function abandon(world: World, count: number, tally: Tally): Promise<void> {
  await onRoads(world.road, count, async (road, index) => {
    const session = await road.open();
    if (index % 4 > 0) return echoes(session, 'small__echo', `s${index}`, tally);
    const { bytes } = await session.list();
    return expect(tally, bytes > 1000, () => `a list of ${bytes} bytes`);
  });
}

/** Makes servers crash with calls in flight; these get an error, and the next call is answered. */
export async function crash(
  world: World,
  count: number,
  tally: Tally,
  crashed: { count: number },
): Promise<void> {
  const each = Math.ceil(count / FRAIL.length);
  await Promise.all(
    FRAIL.map(async (server) => {
      const roads = await Promise.all(Array.from({ length: IN_FLIGHT + 1 }, world.road));
      for (let round = 0; round < each; round += 1) {
        await crashOnce(server, roads, tally);
        crashed.count += 1;
      }
      for (const road of roads) road.close();
    }),
  );
}

async function crashOnce(server: string, roads: readonly Road[], tally: Tally): Promise<void> {
  const [way, ...ways] = roads;
  if (way === undefined) throw new Error('no road');
  const first = await way.open();
  const { text, error } = await first.call(`${server}__pid`);
  expect(tally, Number(text) > 0, () => `${server} after a crash: ${error ?? text}`);
  // Opened only now, so that none is reaped while a server starts on a busy machine.
  const others = await Promise.all(ways.map((road) => road.open()));
  const early: Outcome[] = [];
  const flying = others.map(async (one) => {
    const outcome = await one.call(`${server}__slow`, { ms: SLOW_MS });
    early.push(outcome);
    return outcome;
  });
  const deadline = performance.now() + ARRIVED_TIMEOUT_MS;
  while ((await first.call(`${server}__waiting`)).text !== String(flying.length)) {
    if (performance.now() > deadline)
      throw new Error(`${server}: ${early.map(shown).join() || 'lost calls'}`);
    await pause();
  }
  const died = await Promise.all([...flying, first.call(`${server}__die`)]);
  for (const outcome of died) expect(tally, isClear(outcome, server), () => shown(outcome));
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 2);
  });
}

/** A call whose server died says which, and that it is gone. */
function isClear({ error }: Outcome, server: string): boolean {
  return error !== undefined && error.includes(server) && /exited|ended|gone/.test(error);
}

function shown({ text, error }: Outcome): string {
  return error ?? `an answer: ${text}`;
}

/** Calls all along while `work` runs; gives the calls' times in ms. */
async function underLoad(
  world: World,
  tally: Tally,
  work: () => Promise<void>,
): Promise<readonly number[]> {
  const times: number[] = [];
  let isOver = false;
  const isDone = (): boolean => isOver;
  const load = async (_: unknown, index: number): Promise<void> => {
    const road = await world.road();
    const session = await road.open();
    for (let call = 0; !isDone(); call += 1) {
      const from = performance.now();
      await echoes(session, 'small__echo', `l${index}-${call}`, tally);
      times.push(performance.now() - from);
    }
    road.close();
  };
  const loading = Promise.all(Array.from({ length: LOADERS }, load));
  await work();
  isOver = true;
  await loading;
  return times;
}

/** Changes the config again and again; the sessions that are open stay, and lose nothing. */
export async function reload(world: World, count: number, tally: Tally): Promise<void> {
  await underLoad(world, tally, async () => {
    for (let round = 0; round < count; round += 1) {
      await world.reload(round % 2 === 0 ? `extra${round}` : undefined);
    }
    await world.reload(undefined);
  });
}

/** Lists all tools, page by page, as often as asked. */
export async function list(
  world: World,
  tools: number,
  rounds: number,
  tally: Tally,
): Promise<void> {
  const { url = '', tokenFile } = world.node.up.endpoints;
  const headers = {
    authorization: `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
  };
  for (let round = 0; round < rounds; round += 1) {
    const road = await world.road();
    const { id } = await road.open();
    let found = 0;
    let cursor: string | undefined = '0';
    while (cursor !== undefined) {
      const params = { cursor };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params });
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'mcp-session-id': id },
        body,
      });
      const { result } = (await response.json()) as {
        result: { tools: unknown[]; nextCursor?: string };
      };
      found += result.tools.length;
      cursor = result.nextCursor;
    }
    expect(tally, found > tools, () => `${found} tools were listed`);
    road.close();
  }
}

/** Clients on the node's socket that make `calls` with big answers each, and read nothing for a while. */
export async function readSlowly(world: World, calls: number, tally: Tally): Promise<void> {
  await Promise.all(Array.from({ length: SLOW_READERS }, () => oneSlowReader(world, calls, tally)));
}

async function oneSlowReader(world: World, calls: number, tally: Tally): Promise<void> {
  const socket = connect(world.node.up.endpoints.socket);
  const request = (id: number, method: string, params: object): string =>
    `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
  socket.pause();
  socket.write(
    request(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} }),
  );
  const args = { size: SLOW_BYTES };
  for (let id = 1; id <= calls; id += 1) {
    const message = `m${id}`;
    const params = { name: 'small__bytes', arguments: { ...args, message } };
    socket.write(request(id, 'tools/call', params));
  }
  await new Promise((resolve) => setTimeout(resolve, NOT_READING_MS));
  const seen = new Set<number>();
  let rest = '';
  socket.setEncoding('utf8');
  for await (const chunk of socket) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id, result } = JSON.parse(line) as {
        id?: number;
        result?: { content?: { text: string }[] };
      };
      if (id === undefined || id === 0) continue;
      const isOwn = result?.content?.[0]?.text.startsWith(`m${id} x`) === true;
      expect(tally, isOwn && !seen.has(id), () => line);
      seen.add(id);
    }
    if (seen.size === calls) break;
  }
  expect(tally, seen.size === calls, () => `${seen.size} of ${calls} answers`);
  socket.destroy();
}

/** Sessions that come in by another node, and are abandoned there. */
export async function comeByPeer(
  root: string,
  world: World,
  count: number,
  tally: Tally,
): Promise<void> {
  const far = await startFar(root, world);
  try {
    const { url = '', tokenFile } = far.up.endpoints;
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const road = (): Promise<Road> => openRoad(url, token);
    const tool = `${world.node.name}__small__echo`;
    await untilAnswered(await road(), tool);
    await onRoads(road, count, async (one, index) => {
      await echoes(await one.open(), tool, `f${index}`, tally);
    });
  } finally {
    await far.stop();
  }
}

async function untilAnswered(road: Road, tool: string): Promise<void> {
  const deadline = performance.now() + LISTED_TIMEOUT_MS;
  const session = await road.open();
  for (;;) {
    const { text, error } = await session.call(tool, { message: 'x' });
    if (text === 'x') break;
    if (performance.now() > deadline) throw new Error(`${tool}: ${error}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  road.close();
}

/** Times of so many calls one after the other, ms. */
export async function quietCalls(
  world: World,
  count: number,
  tally: Tally,
): Promise<readonly number[]> {
  const road = await world.road();
  const session = await road.open();
  const times: number[] = [];
  for (let call = 0; call < count; call += 1) {
    const from = performance.now();
    await echoes(session, 'small__echo', `q${call}`, tally);
    times.push(performance.now() - from);
  }
  road.close();
  return times;
}
