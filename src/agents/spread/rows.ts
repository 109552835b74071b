/**
 * What a strong board has of an agent that is spread over several nodes: under `spread/<name>` what it is to be and which
 * nodes have a part, under `parent/<name>` the lease of the node that looks after it. A row is compared and set: whoever
 * has missed a change of it changes nothing.
 */
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import type { Board } from '../../blackboard/index.ts';
import { digestOf } from '../directory/spread-proof.ts';
import type { SpreadClaims, SpreadProofs } from '../directory/spread-proof.ts';
import {
  CAPABILITIES_MAX,
  PARENT_LEASE_MS,
  SPREAD_NODES_MAX,
  SPREAD_PROCESSES_MAX,
  SPREAD_TERMS_MAX,
} from '../limits.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const processes = z.number().int().min(1).max(SPREAD_PROCESSES_MAX);
const amount = z.union([z.string().max(32), z.number().positive()]);
const node = z.custom<Did>((value) => typeof value === 'string' && value.startsWith('did:key:'));

const TERMS = z.strictObject({
  least: processes,
  most: processes,
  strategy: z.enum(['one_for_one', 'one_for_all', 'rest_for_one']),
  /** Restarts by the parent within a minute, after which all parts are given up. */
  restarts: z.number().int().min(0).max(1000),
  tools: z.array(z.string().min(1).max(512)).max(64).optional(),
  capabilities: z.array(z.string().min(1).max(128)).max(CAPABILITIES_MAX).optional(),
  config: z.record(z.string().max(128), z.json()).optional(),
  resources: z
    .strictObject({ cpuLimit: amount.optional(), memoryLimit: amount.optional() })
    .optional(),
  /** When it was spread, ms since the epoch by the clock of its node. */
  at: count,
});

/** What the parts of a spread agent are to be. */
export type SpreadTerms = z.infer<typeof TERMS>;

const PART = z.strictObject({
  node,
  /** In which order they were begun. */
  since: count,
  /** See `PartView`; absent until the part has been seen. */
  life: z.string().max(64).optional(),
  fell: count,
});

/** A part as the parent has last seen it. */
export type PartRow = Readonly<z.infer<typeof PART>>;

const ROW = z.strictObject({
  v: z.literal(1),
  proof: z.string().max(8192),
  terms: z.string().max(SPREAD_TERMS_MAX),
  parts: z.array(PART).max(SPREAD_NODES_MAX),
  turn: count,
  /** When the parent has started parts again lately, ms since the epoch. */
  lately: z.array(count).max(2000),
  ended: z
    .strictObject({
      how: z.enum(['stopped', 'failed']),
      why: z.string().max(2000).optional(),
      /** Nodes that have ended their part. */
      done: z.array(node).max(SPREAD_NODES_MAX),
    })
    .optional(),
});

/** A spread agent as its parent keeps it. */
export interface SpreadRow {
  readonly proof: string;
  readonly claims: SpreadClaims;
  readonly terms: SpreadTerms;
  /** The terms as they were signed. */
  readonly text: string;
  readonly parts: readonly PartRow[];
  readonly turn: number;
  readonly lately: readonly number[];
  readonly ended?:
    | {
        readonly how: 'stopped' | 'failed';
        readonly why?: string | undefined;
        readonly done: readonly Did[];
      }
    | undefined;
}

/** A row, and the version that the register has with it. */
export interface Versioned {
  /** Undefined: there is none, or what there is is none. */
  readonly row: SpreadRow | undefined;
  readonly version: number;
}

/** A lease, by its answer. */
export type HeldLease =
  | { readonly isOwn: true; readonly token: number }
  | { readonly isOwn: false; readonly until: number };

const SPREAD = 'spread/';
const PARENT = 'parent/';
const LEASE = z.object({
  lease: z.object({ holder: z.string(), token: count, until: count }),
});

/** Reads terms as they were signed; undefined for what does not fit the proof. */
export function readTerms(text: string, { terms }: SpreadClaims): SpreadTerms | undefined {
  if (text.length > SPREAD_TERMS_MAX || digestOf(text) !== terms) return undefined;
  const read = TERMS.safeParse(parsed(text));
  return read.success && read.data.least <= read.data.most ? read.data : undefined;
}

/** The rows and leases of a strong board. */
export class SpreadBoard {
  readonly #board: Board;
  readonly #proofs: SpreadProofs;

  constructor(board: Board, proofs: SpreadProofs) {
    this.#board = board;
    this.#proofs = proofs;
  }

  /** Names of the spread agents that this node knows of. */
  names(): readonly string[] {
    return this.#board.entries(SPREAD).map(({ key }) => key.slice(SPREAD.length));
  }

  /** Calls `heard` with the name of each spread agent of which something is another. */
  watch(heard: (name: string) => void): () => void {
    return this.#board.watch((changes) => {
      for (const { key } of changes) {
        if (key.startsWith(SPREAD)) heard(key.slice(SPREAD.length));
      }
    });
  }

  /** As far as this node knows. */
  known(name: string): SpreadRow | undefined {
    return this.#rowIn(name, this.#board.get(SPREAD + name)?.value);
  }

  /** The version of the row that this node knows; undefined where it knows none. */
  versionOf(name: string): number | undefined {
    return this.#board.get(SPREAD + name)?.version;
  }

  /** Who has the lease, as far as this node knows. */
  leaseOf(name: string): { holder: string; token: number; until: number } | undefined {
    return LEASE.safeParse(this.#board.get(PARENT + name)?.value).data?.lease;
  }

  /** Who has the lease, or had it last, by the word of a majority. @throws as {@link SpreadBoard.read} */
  async readLease(name: string): Promise<{ holder: string; token: number } | undefined> {
    const { value } = await this.#board.strong(PARENT + name, { request: { t: 'get' } });
    return LEASE.safeParse(value).data?.lease;
  }

  /** @throws STARLING_NO_QUORUM, … as `Board.strong` says; so do the others */
  async read(name: string): Promise<Versioned> {
    const { value, version } = await this.#board.strong(SPREAD + name, { request: { t: 'get' } });
    return { row: this.#rowIn(name, value), version };
  }

  /** Writes where the register has this version still; the new one, or undefined where it has not. */
  async write(name: string, row: SpreadRow, version: number): Promise<number | undefined> {
    const { claims: _claims, text, terms: _terms, ...rest } = row;
    const value = JSON.parse(JSON.stringify({ v: 1, ...rest, terms: text })) as Json;
    const request = { t: 'cas', value, version } as const;
    const outcome = await this.#board.strong(SPREAD + name, { request });
    return outcome.ok ? outcome.version : undefined;
  }

  /** Takes the row off the board where it has this version still, and the lease with it. */
  async remove(name: string, holder: Did, version: number): Promise<void> {
    const outcome = await this.#board.strong(SPREAD + name, { request: { t: 'delete', version } });
    // Else another agent was spread under that name meanwhile, and has that lease.
    if (outcome.ok) await this.release(name, holder);
  }

  async lease(name: string, holder: Did): Promise<HeldLease> {
    const request = { t: 'lease', holder, ttlMs: PARENT_LEASE_MS } as const;
    const { ok, value } = await this.#board.strong(PARENT + name, { request });
    const held = LEASE.safeParse(value).data?.lease;
    if (held === undefined) {
      throw new StarlingError('STARLING_BOARD_CONFLICT', `'${PARENT}${name}' holds no lease`, {
        hint: `take it off the board ${this.#board.name}: starling board delete ${this.#board.name} ${PARENT}${name}`,
      });
    }
    return ok ? { isOwn: true, token: held.token } : { isOwn: false, until: held.until };
  }

  async release(name: string, holder: Did): Promise<void> {
    await this.#board.strong(PARENT + name, { request: { t: 'release', holder } });
  }

  #rowIn(name: string, value: Json | undefined): SpreadRow | undefined {
    const read = ROW.safeParse(value);
    if (!read.success) return undefined;
    const { terms: text, v: _v, ...row } = read.data;
    const claims = this.#proofs.read(row.proof);
    const terms = claims === undefined ? undefined : readTerms(text, claims);
    if (claims?.agent !== name || terms === undefined) return undefined;
    const isSound = row.parts.every(({ node: whose }) => claims.on.includes(whose));
    return isSound ? { ...row, claims, terms, text } : undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON fits no schema.
    return undefined;
  }
}
