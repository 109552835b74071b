/** What one writer's writes cost until all others see them: one after the other, and many. */
import { percentile } from '../../report.ts';
import type { BoardSize } from '../size.ts';
import { costsOf, costsSoFar } from './costs.ts';
import type { Costs } from './costs.ts';
import { seenBy } from './replica.ts';
import type { Replica } from './replica.ts';

/** One writer and so many others, measured. */
export interface PeersRow {
  readonly title: string;
  readonly peers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of a burst, until all was visible on all. */
  readonly burstPerSecond: number;
  /** On the wire between all, in a burst. */
  readonly bytesPerWrite: number;
  readonly cpuUsPerWrite: number;
  /** Of each of many writes that follow each other, all nodes together; undefined where nobody counts. */
  readonly costs?: Costs;
  /** As long as the writer is never further ahead than {@link AHEAD}, until all was visible on all. */
  readonly sustainedPerSecond: number;
}

const KEYS = 1000;
/** Writes that not all have seen, at the most. */
const AHEAD = 1000;
const WAVE = 250;

/** Measures replicas of which the first one writes. */
export async function measurePeers(
  title: string,
  {
    replicas,
    bytes,
    chunks,
  }: {
    readonly replicas: readonly Replica[];
    readonly bytes: () => number;
    readonly chunks?: () => number;
  },
  { writes, burst, sustainedMs }: BoardSize,
): Promise<PeersRow> {
  const [writer, ...others] = replicas;
  if (writer === undefined) throw new Error('nobody writes');
  // What is only done once is done before: streams are open, code is compiled.
  for (let i = 0; i < Math.min(20, writes); i += 1) await visible(writer, others, -i - 1);
  const times: number[] = [];
  const idle = costsSoFar(chunks?.() ?? 0);
  for (let i = 0; i < writes; i += 1) times.push(await visible(writer, others, i));
  const costs = costsOf(idle, costsSoFar(chunks?.() ?? 0), writes);
  const before = { cpu: process.cpuUsage(), bytes: bytes(), at: performance.now() };
  await write(writer, 0, burst);
  await seenBy(others, keyOf(burst - 1), burst - 1);
  const burstMs = performance.now() - before.at;
  const { user, system } = process.cpuUsage(before.cpu);
  const bytesPerWrite = (bytes() - before.bytes) / burst;
  return {
    title,
    peers: others.length,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    burstPerSecond: (burst * 1000) / burstMs,
    bytesPerWrite,
    cpuUsPerWrite: (user + system) / burst,
    ...(chunks === undefined ? {} : { costs }),
    sustainedPerSecond: await sustained(writer, others, burst, sustainedMs),
  };
}

async function visible(
  writer: Replica,
  others: readonly Replica[],
  value: number,
): Promise<number> {
  const from = performance.now();
  await Promise.all([writer.set('one', value), seenBy(others, 'one', value)]);
  return performance.now() - from;
}

async function write(writer: Replica, from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => writer.set(keyOf(from + i), from + i)));
}

/** Writes in waves for a while, and gives how many a second all have seen. */
async function sustained(
  writer: Replica,
  others: readonly Replica[],
  from: number,
  forMs: number,
): Promise<number> {
  const begin = performance.now();
  let next = from;
  const waves: Promise<void>[] = [];
  while (performance.now() - begin < forMs) {
    const at = next;
    next += WAVE;
    waves.push(wave(writer, others, at));
    if (waves.length >= AHEAD / WAVE) await waves.shift();
  }
  await Promise.all(waves);
  return ((next - from) * 1000) / (performance.now() - begin);
}

async function wave(writer: Replica, others: readonly Replica[], at: number): Promise<void> {
  // Its own key says that a wave has come: the keys of the wave may be overwritten by then.
  const done = `wave-${(at / WAVE) % (AHEAD / WAVE + 1)}`;
  await write(writer, at, WAVE - 1);
  await Promise.all([writer.set(done, at), seenBy(others, done, at)]);
}

function keyOf(index: number): string {
  return `k${index % KEYS}`;
}
