/**
 * The attacker's process: attacks, or burns as much CPU without touching anybody, as it is told over the
 * channel that `fork` gives. It ends when that channel closes.
 */
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:net';
import { ATTACKS } from './attacks.ts';
import { pause } from './attack.ts';
import type { Target } from './attack.ts';
import { createMember } from './member.ts';
import type { Member } from './member.ts';
import { createStranger } from './stranger.ts';

/** What the process is asked. */
export type AttackerJob =
  | {
      readonly op: 'join';
      readonly stateDir: string;
      readonly home: string;
      readonly ticket: string;
      readonly name?: string;
      readonly listen?: string;
    }
  | {
      readonly op: 'attack';
      readonly name: string;
      readonly target: Target;
      readonly durationMs: number;
    }
  | { readonly op: 'burn'; readonly share: number; readonly durationMs: number }
  /** Listens on a port, and drops whoever connects: the least that being connected to costs. */
  | { readonly op: 'listen' };

/** What it did. */
export interface AttackerReport {
  readonly acts: number;
  /** CPU of the process meanwhile, as a share of one core. */
  readonly share: number;
  /** PeerId of the member; empty before `join`. */
  readonly peerId: string;
  /** Where the process listens; 0 before `listen`. */
  readonly port: number;
}

export type AttackerAnswer = { readonly report: AttackerReport } | { readonly error: string };

const SLICE_MS = 10;
let member: Member | undefined;
let port = 0;

async function work(job: AttackerJob): Promise<AttackerReport> {
  const before = process.cpuUsage();
  const begin = performance.now();
  let acts = 0;
  if (job.op === 'join') member = await createMember(job);
  else if (job.op === 'burn') await burn(job.share, job.durationMs);
  else if (job.op === 'listen') port = await listen();
  else await attack(job, () => (acts += 1));
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1000 / (performance.now() - begin);
  return { acts, share, peerId: member?.network.self ?? '', port };
}

async function attack(
  { name, target, durationMs }: Extract<AttackerJob, { op: 'attack' }>,
  act: () => void,
): Promise<void> {
  const found = ATTACKS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no attack ${name}`);
  const signal = AbortSignal.timeout(durationMs);
  // Thousands of acts wait for its end.
  setMaxListeners(0, signal);
  const joined = member;
  let isTold = false;
  while (!signal.aborted) {
    try {
      const run = found.run({
        target,
        signal,
        act,
        stranger: createStranger,
        member: () =>
          joined === undefined ? Promise.reject(new Error('not joined')) : Promise.resolve(joined),
      });
      // An act that hangs must not hold up the measurement.
      await Promise.race([run, pause(durationMs, signal)]);
    } catch (error) {
      if (!isTold) process.stderr.write(`attacker: ${String(error)}\n`);
      isTold = true;
      await pause(100, signal);
    }
  }
}

async function listen(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.resetAndDestroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** So much of one core, in slices, as the attack took it. */
async function burn(share: number, durationMs: number): Promise<void> {
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    const until = performance.now() + SLICE_MS * Math.min(1, share);
    while (performance.now() < until);
    const restMs = SLICE_MS * (1 - Math.min(1, share));
    await new Promise((resolve) =>
      restMs < 0.5 ? setImmediate(resolve) : setTimeout(resolve, restMs),
    );
  }
}

function answer(message: AttackerAnswer): void {
  process.send?.(message);
}

process.on('message', (job: AttackerJob) => {
  work(job).then(
    (report) => answer({ report }),
    (error: unknown) =>
      answer({ error: error instanceof Error ? (error.stack ?? '') : String(error) }),
  );
});
process.on('uncaughtException', (error) => process.stderr.write(`attacker: ${error.message}\n`));
process.on('unhandledRejection', () => undefined);
process.once('disconnect', () => process.exit());
