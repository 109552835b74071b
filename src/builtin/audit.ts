/** The tools that read and verify the audit log, and the text of the resource `grants://audit`. */
import { z } from 'zod';
import type { Audit, AuditEntry, AuditFilter, AuditPage, Checkpoint } from '../audit/index.ts';
import { BUILTIN_SERVER, ENTRY_KINDS, ENTRY_OUTCOMES, shownName } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { toolResource } from '../grants/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { didFromPeerId, parseDid } from '../identity/index.ts';
import type { CheckpointExchange, PeerView } from '../membership/index.ts';
import type {
  AuditQueryResult,
  AuditSeenResult,
  AuditTailResult,
  AuditVerifyResult,
} from './results.ts';
import { defineTool } from '../gateway/index.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
/** Pages that one reading of the resource may look at. More = whoever reads it again and again costs the node more. */
const PAGES_MAX = 10;
const TAIL_DEFAULT_S = 30;
const TAIL_MAX_S = 300;
const TEXT_MAX = 2048;
const ITSELF = toolResource(BUILTIN_SERVER, 'audit_tail');

/** What the audit tools need. */
export interface AuditToolComponents {
  readonly audit: Pick<Audit, 'compareWith' | 'query' | 'tail' | 'verify'>;
  readonly checkpoints: Pick<CheckpointExchange, 'ask' | 'seenOf'>;
  /** Those whom this node has a name for. */
  readonly peers: () => readonly Pick<PeerView, 'alias' | 'did' | 'formerly' | 'newName'>[];
  /** This node. */
  readonly self: Did;
}

const text = z.string().max(TEXT_MAX);
const time = z.int().min(0);

const filter = {
  kind: z.enum(ENTRY_KINDS).optional(),
  who: text
    .optional()
    .describe(
      'Only where who acted, or on whose behalf, contains this; the name of a peer is its did.',
    ),
  what: text.optional().describe('Only where `<ability> <resource>` contains this.'),
  outcome: z.enum(ENTRY_OUTCOMES).optional(),
  limit: z
    .int()
    .min(1)
    .max(LIMIT_MAX)
    .optional()
    .describe(`How many entries at the most; default ${LIMIT_DEFAULT}.`),
};

/** `audit_query`, `audit_tail`, `audit_verify` and `audit_seen`. */
export function auditTools(components: AuditToolComponents): readonly BuiltinTool[] {
  return [
    queryTool(components),
    tailTool(components),
    verifyTool(components),
    seenTool(components),
  ];
}

function queryTool({ audit, peers }: AuditToolComponents): BuiltinTool {
  return defineTool({
    name: 'audit_query',
    title: 'Look into the audit log',
    description:
      'Decisions and calls of this node, newest first: who, on whose behalf, what, with which grant, how it ended, and why. One question looks at some thousand entries: with `next` in the answer there is more to look at, before `lookedBackTo`.',
    input: z.object({
      ...filter,
      since: time.optional().describe('ms since the epoch: at it or later.'),
      until: time.optional().describe('ms since the epoch: before it.'),
      before: z.int().min(1).optional().describe('`next` of the answer before.'),
      after: time
        .optional()
        .describe('`newest` of an answer before: only what came since is looked at.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: async (
      { limit, before, after, since, until, ...rest },
      { signal },
    ): Promise<AuditQueryResult> =>
      named(
        await audit.query({
          ...filterOf(rest, peers()),
          limit: limit ?? LIMIT_DEFAULT,
          signal,
          ...(since === undefined ? {} : { since }),
          ...(until === undefined ? {} : { until }),
          ...(before === undefined ? {} : { before }),
          ...(after === undefined ? {} : { after }),
        }),
        peers(),
      ),
  });
}

function tailTool({ audit, peers }: AuditToolComponents): BuiltinTool {
  return defineTool({
    name: 'audit_tail',
    title: 'Wait for audit entries',
    description:
      'Without `cursor`: returns a cursor at once. With one: waits for entries after it, and returns them, oldest first, with the next cursor.',
    input: z.object({
      ...filter,
      cursor: time.optional().describe('The cursor of the answer before.'),
      timeout_s: z
        .number()
        .min(0)
        .max(TAIL_MAX_S)
        .optional()
        .describe(`How long to wait, in seconds; default ${TAIL_DEFAULT_S}.`),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: async ({ limit, cursor, timeout_s, ...rest }, { signal }): Promise<AuditTailResult> =>
      named(
        await audit.tail({
          ...filterOf(rest, peers()),
          // Else each question would be its own answer.
          except: ITSELF,
          limit: limit ?? LIMIT_DEFAULT,
          timeoutMs: (timeout_s ?? TAIL_DEFAULT_S) * 1000,
          signal,
          ...(cursor === undefined ? {} : { after: cursor }),
        }),
        peers(),
      ),
  });
}

function verifyTool(components: AuditToolComponents): BuiltinTool {
  return defineTool({
    name: 'audit_verify',
    title: 'Verify the audit log',
    description:
      'Looks for edits, deletions, reordering and truncation in the audit log, also against what peers have seen of it, and says where they are.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: () => verify(components),
  });
}

function seenTool({ checkpoints }: AuditToolComponents): BuiltinTool {
  return defineTool({
    name: 'audit_seen',
    title: 'Show what was seen of an audit log',
    description:
      'The checkpoints that this node has seen of the audit log of a node, latest first: with them a copy of that log can be verified anywhere.',
    input: z.object({ did: z.string().min(1).max(256).describe('did:key of the node.') }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: ({ did }): AuditSeenResult => ({ checkpoints: checkpoints.seenOf(parseDid(did)) }),
  });
}

/** Verifies the log, also against what peers that are here, and this node's own book, have seen of it. */
async function verify({
  audit,
  checkpoints,
  self,
}: AuditToolComponents): Promise<AuditVerifyResult> {
  const witnesses = await checkpoints.ask();
  const seen = new Map<string, Checkpoint>();
  const known = [checkpoints.seenOf(self), ...witnesses.map((witness) => witness.seen ?? [])];
  for (const one of known.flat()) seen.set(keyOf(one), one);
  const verdict = await audit.verify([...seen.values()]);
  const findings = await audit.compareWith([...seen.values()]);
  const differing = new Set(findings.flatMap(({ checkpoint: one }) => (one ? [keyOf(one)] : [])));
  return {
    ...verdict,
    ok: verdict.ok && differing.size === 0,
    witnesses: witnesses.map(({ alias, peerId, seen: theirs }) => ({
      peer: alias,
      peerId,
      answered: theirs !== undefined,
      seen: theirs?.length ?? 0,
      upTo: theirs?.[0]?.seq ?? 0,
      differs: (theirs ?? []).filter((one) => differing.has(keyOf(one))),
    })),
  };
}

function keyOf({ seq, hash }: Checkpoint): string {
  return `${seq} ${hash}`;
}

/**
 * The text of `grants://audit`: the last 100 decisions and calls as JSON, newest first. With `by` only
 * those of that did or client, which is all that anybody but the operator may see; `lookedBackTo` says from when on, where
 * not all was looked at.
 */
export async function auditResource(
  audit: Pick<Audit, 'query'>,
  init: { readonly by?: string; readonly signal?: AbortSignal } = {},
): Promise<string> {
  const { by, signal } = init;
  const entries: AuditEntry[] = [];
  let page: AuditPage = { entries, next: Infinity };
  for (let at = 0; at < PAGES_MAX && page.next !== undefined; at += 1) {
    page = await audit.query({
      limit: LIMIT_DEFAULT - entries.length,
      before: page.next,
      ...(by === undefined ? {} : { by }),
      ...(signal === undefined ? {} : { signal }),
    });
    entries.push(...page.entries);
    if (entries.length >= LIMIT_DEFAULT) break;
  }
  const { lookedBackTo } = page;
  return JSON.stringify({ entries, ...(lookedBackTo === undefined ? {} : { lookedBackTo }) });
}

type Given = {
  readonly [key in 'kind' | 'what' | 'outcome']?: AuditFilter[key] | undefined;
} & { readonly who?: string | undefined };

type Peers = ReturnType<AuditToolComponents['peers']>;

function filterOf({ kind, who, what, outcome }: Given, peers: Peers): AuditFilter {
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(who === undefined
      ? {}
      : { who: [who, ...peers.filter(({ alias }) => alias === who).flatMap(didsOf)] }),
    ...(what === undefined ? {} : { what }),
    ...(outcome === undefined ? {} : { outcome }),
  };
}

/** The did of a peer's key, and of those that it had before. */
function didsOf({ did, formerly = [] }: Peers[number]): readonly Did[] {
  return [did, ...formerly.map((peerId) => didFromPeerId(peerId))];
}

/** The result, with our names for the peers in it. */
function named<T extends { readonly entries: readonly AuditEntry[] }>(
  result: T,
  peers: Peers,
): T & { readonly names: Readonly<Record<string, string>> } {
  const there = new Set(result.entries.flatMap(({ who, onBehalfOf = who }) => [who, onBehalfOf]));
  const names = peers.flatMap((peer) =>
    didsOf(peer)
      .filter((did) => there.has(did))
      .map((did) => [did, shownName(peer)]),
  );
  return { ...result, names: Object.fromEntries(names) as Record<string, string> };
}
