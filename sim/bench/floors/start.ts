/** Starts the floors that the gateway is measured against, and what they need. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { TITLES } from '../bars.ts';
import type { Target } from '../job.ts';
import { freePort, untilListening } from '../rivals.ts';
import type { Framing } from './libp2p.ts';

const START_TIMEOUT_MS = 20_000;
const script = fileURLToPath(new URL('./bench-floor.js', import.meta.url));

/** A way to the same answers, and whose CPU is the relay's. */
export interface FloorPath {
  readonly title: string;
  readonly target: Target;
  readonly pids: readonly number[];
}

/** The floors, by how they are called. */
export interface Floors {
  readonly http: readonly FloorPath[];
  readonly stdio: FloorPath;
  stop(): void;
}

/** Starts them all in front of the stdio server `upstream`; NATS only where Debian's package is installed. */
export async function startFloors(root: string, upstream: string): Promise<Floors> {
  const children: ChildProcess[] = [];
  const stop = (): void => {
    for (const child of children) child.kill();
  };
  const floor = (...args: string[]): Promise<Floor> => startFloor(children, args);
  try {
    const one = await floor('http', upstream);
    const far = await floor('peer', upstream);
    const near = await floor('http-to-peer', far.says);
    const path = join(root, 'floor.sock');
    const socket = await floor('socket', path, upstream);
    const echo = await floor('libp2p');
    const behind = { title: TITLES.libp2pProgram, name: 'program.sock', upstream };
    const together = await twoPeersOf(children, root, behind);
    const single = { ...behind, title: TITLES.libp2pAlone, name: 'alone.sock' };
    const alone = await twoPeersOf(children, root, single, 'alone');
    const nats = await startNats(children);
    if (nats !== undefined) await floor('nats', String(nats.port));
    return {
      http: [
        { title: TITLES.relay, target: httpAt(one.says), pids: [one.pid] },
        { title: TITLES.relays, target: httpAt(near.says), pids: [near.pid, far.pid] },
        { title: TITLES.libp2p, target: { kind: 'libp2p', address: echo.says }, pids: [] },
        together,
        alone,
        ...(nats === undefined
          ? []
          : [
              {
                title: TITLES.nats,
                target: { kind: 'nats' as const, port: nats.port },
                pids: [nats.pid],
              },
            ]),
      ],
      stdio: {
        title: TITLES.relayedPipe,
        target: { kind: 'command', command: process.execPath, args: [script, 'pipe', path] },
        pids: [socket.pid],
      },
      stop,
    };
  } catch (error) {
    stop();
    throw error;
  }
}

/** What requests through two peers are measured against: their target each; NATS only where it is installed. */
export interface RequestFloors {
  /** A bare libp2p stream between two processes, the second of which answers. */
  readonly libp2p: FloorPath;
  /** The same, and a program behind the second one that answers, as an agent's does. */
  readonly program: FloorPath;
  readonly nats: FloorPath | undefined;
  stop(): void;
}

/** Starts them; `upstream` is the program that answers. */
export async function startRequestFloors(root: string, upstream: string): Promise<RequestFloors> {
  const children: ChildProcess[] = [];
  const stop = (): void => {
    for (const child of children) child.kill();
  };
  try {
    const echo = { title: TITLES.libp2pEcho, name: 'echo.sock', upstream: '' };
    const libp2p = await twoPeersOf(children, root, echo);
    const behind = { title: TITLES.libp2pProgram, name: 'program.sock', upstream };
    const program = await twoPeersOf(children, root, behind);
    const server = await startNats(children);
    if (server === undefined) return { libp2p, program, nats: undefined, stop };
    await startFloor(children, ['nats', String(server.port)]);
    const target = { kind: 'nats' as const, port: server.port };
    return { libp2p, program, nats: { title: TITLES.nats, target, pids: [server.pid] }, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/**
 * A client's socket, a bare libp2p stream between two processes behind it, and behind the second one the program `upstream`,
 * where there is one: the libraries, the processes and the hops of a call to a peer, and nothing of ours.
 */
async function twoPeersOf(
  children: ChildProcess[],
  root: string,
  {
    title,
    name,
    upstream,
  }: { readonly title: string; readonly name: string; readonly upstream: string },
  framing: Framing = 'together',
): Promise<FloorPath> {
  const far = await startFloor(children, ['libp2p', upstream, framing]);
  const path = join(root, name);
  const near = await startFloor(children, ['socket-to-libp2p', path, far.says, framing]);
  return { title, target: { kind: 'socket', path }, pids: [near.pid, far.pid] };
}

interface Floor {
  readonly pid: number;
  /** Its first line. */
  readonly says: string;
}

async function startFloor(children: ChildProcess[], args: readonly string[]): Promise<Floor> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const [says] = (await once(createInterface({ input: child.stdout }), 'line', { signal })) as [
    string,
  ];
  return { pid: child.pid ?? 0, says };
}

function httpAt(port: string): Target {
  return { kind: 'http', url: `http://127.0.0.1:${port}/mcp`, headers: {} };
}

async function startNats(
  children: ChildProcess[],
): Promise<{ readonly port: number; readonly pid: number } | undefined> {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const port = await freePort();
  const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], {
    stdio: 'ignore',
  });
  children.push(child);
  await untilListening(child, port, 'nats-server');
  return { port, pid: child.pid ?? 0 };
}
