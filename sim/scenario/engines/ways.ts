/**
 * The ways between hosts of a memory network: delay, jitter, loss and rate as a TCP connection shows them, cuts
 * in one direction or both, and hosts that stand still.
 */
import type { Ways } from '../../memory-transport.ts';
import type { Chance } from '../random.ts';
import type { LinkShape } from '../schema.ts';

/** What a packet carries. */
const PACKET_BYTES = 1448;
/** TCP's least wait before a lost packet is sent again (RFC 6298; Linux has 200 ms). */
const RESEND_MS = 200;
/** How often one packet is lost in a row, at the most. */
const RESENDS_MAX = 6;

/** Ways that a scenario changes. */
export interface ShapedWays extends Ways {
  /** The way of all that have no other. */
  shapeAll(shape: LinkShape): void;
  shape(from: string, to: string, shape: LinkShape): void;
  cut(from: string, to: string): void;
  mend(from: string, to: string): void;
  heal(): void;
  /** Nothing gets to or from the host, until {@link resume}. */
  stall(host: string): void;
  resume(host: string): void;
}

/** Makes ways on which nothing is in the way. */
export function createWays(chance: Chance): ShapedWays {
  const cuts = new Set<string>();
  const stalled = new Set<string>();
  const shapes = new Map<string, LinkShape>();
  const freeAtMs = new Map<string, number>();
  let all: LinkShape = {};
  let isOver: () => void = () => undefined;
  let change = new Promise<void>((resolve) => (isOver = resolve));
  const changed = (): void => {
    isOver();
    change = new Promise((resolve) => (isOver = resolve));
  };
  const key = (from: string, to: string): string => `${from} ${to}`;
  return {
    held: (from, to) =>
      stalled.has(from) || stalled.has(to) || cuts.has(key(from, to)) ? change : undefined,
    delayMs(from, to, sizeBytes) {
      const shape = { ...all, ...shapes.get(key(from, to)) };
      const { delay = 0, jitter = 0, loss = 0, rate } = shape;
      let ms = delay + (jitter === 0 ? 0 : chance.next() * jitter);
      if (loss > 0) ms += lostMs(sizeBytes, loss, delay, chance);
      if (rate === undefined) return ms;
      const now = performance.now();
      const free = Math.max(now, freeAtMs.get(key(from, to)) ?? 0) + sizeBytes / 125 / rate;
      freeAtMs.set(key(from, to), free);
      return ms + free - now;
    },
    shapeAll(shape) {
      all = { ...all, ...known(shape) };
    },
    shape(from, to, shape) {
      shapes.set(key(from, to), { ...shapes.get(key(from, to)), ...known(shape) });
    },
    cut: (from, to) => void cuts.add(key(from, to)),
    mend(from, to) {
      cuts.delete(key(from, to));
      changed();
    },
    heal() {
      cuts.clear();
      changed();
    },
    stall: (host) => void stalled.add(host),
    resume(host) {
      stalled.delete(host);
      changed();
    },
  };
}

/** What sending lost packets again costs: each time twice as long as before. */
function lostMs(sizeBytes: number, loss: number, delayMs: number, chance: Chance): number {
  let ms = 0;
  for (let left = sizeBytes; left > 0; left -= PACKET_BYTES) {
    let waitMs = RESEND_MS + 2 * delayMs;
    let lost = 0;
    for (let again = 0; again < RESENDS_MAX && chance.next() < loss; again += 1) {
      lost += waitMs;
      waitMs *= 2;
    }
    ms = Math.max(ms, lost);
  }
  return ms;
}

function known(shape: LinkShape): LinkShape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined));
}
