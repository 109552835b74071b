/** The tools of strong boards: compare and set, and leases. What they are for is in `docs/boards.md`. */
import { z } from 'zod';
import type { Blackboard, Board, StrongOutcome } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { defineTool } from '../../gateway/index.ts';
import { strongEntry } from './board-views.ts';
import { checkUse } from './client-boards.ts';
import type { ClientBoards } from './client-boards.ts';
import type { Membership } from '../../membership/index.ts';
import { REPLICAS_MAX, replicaDids } from './board-care.ts';
import type { BoardCasResult, BoardLeaseResult, BoardReplicasResult } from '../results.ts';

/** What these tools need. */
export interface StrongBoardComponents {
  readonly blackboard: Blackboard;
  readonly self: { readonly did: Did; readonly name: string };
  readonly membership: Pick<Membership, 'peers' | 'resolve'>;
  /** Of clients, on boards that are not open; without it clients have open boards only. */
  readonly rights?: ClientBoards;
}

/** How long a lease is held where nobody says. */
const LEASE_DEFAULT_S = 30;
const LEASE_MAX_S = 86_400;
const SECOND_MS = 1000;

/** An id of a request, as tools take it. */
export const requestId = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe(
    'On a strong board: what this request is called, so that it is done once however often it is tried; after STARLING_OUTCOME_UNKNOWN the id that the error gives.',
  );
const board = z.string().describe('Name of a strong board.');
const key = z.string().describe('Key of the entry.');

/** `board_cas`, `board_lease` and `board_replicas`. */
export function strongBoardTools(components: StrongBoardComponents): readonly BuiltinTool[] {
  return [casTool(components), leaseTool(components), replicasTool(components)];
}

function casTool(components: StrongBoardComponents): BuiltinTool {
  return defineTool({
    name: 'board_cas',
    title: 'Compare and set a board entry',
    description:
      'Writes an entry of a strong board if it is as expected: holds `expect`, or has `version`, or, without both, is not there. Of many that try at once one has its way. `done` is false when it was not as expected; `entry` is what is there now.',
    input: z.object({
      board,
      key,
      value: z.json().describe('Any JSON value, up to 256 KiB.'),
      expect: z.json().optional().describe('The value that must be there.'),
      version: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe('The `version` that the entry must have, as `board_get` gives it.'),
      request: requestId,
    }),
    hints: { destructiveHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardCasResult> {
      const found = await usable(components, input, context);
      const { value, expect, version, request: id } = input;
      const request = {
        t: 'cas',
        value: value as Json,
        ...(expect === undefined ? {} : { expect: expect as Json }),
        ...(version === undefined ? {} : { version }),
      } as const;
      const outcome = await found.strong(input.key, { request, id });
      const now = outcome.ok ? { ...outcome, value: value as Json } : outcome;
      const entry = strongEntry(input.key, now);
      return { done: outcome.ok, version: outcome.version, entry: entry ?? null };
    },
  });
}

function leaseTool(components: StrongBoardComponents): BuiltinTool {
  return defineTool({
    name: 'board_lease',
    title: 'Take, renew or give back a lease',
    description:
      'Takes the lease of a key of a strong board, which nobody else has until it ends, or renews it for the same holder. `token` rises with each new holder: what the lease protects must refuse whoever comes with a lower one, as a lease can end before its holder notices.',
    input: z.object({
      board,
      key,
      holder: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .describe('Who shall have it; default: this caller at this node.'),
      ttl: z
        .number()
        .positive()
        .max(LEASE_MAX_S)
        .optional()
        .describe(`After how many seconds it ends unless renewed; default ${LEASE_DEFAULT_S}.`),
      release: z.boolean().optional().describe('Gives the lease back.'),
      request: requestId,
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    async run(input, context): Promise<BoardLeaseResult> {
      const found = await usable(components, input, context);
      const holder = input.holder ?? holderOf(components.self.did, context);
      const ttlMs = Math.max(1, Math.round((input.ttl ?? LEASE_DEFAULT_S) * SECOND_MS));
      const request =
        input.release === true
          ? ({ t: 'release', holder } as const)
          : ({ t: 'lease', holder, ttlMs } as const);
      return leaseResult(
        input.key,
        await found.strong(input.key, { request, id: input.request }),
        input.release === true,
      );
    },
  });
}

function replicasTool(components: StrongBoardComponents): BuiltinTool {
  const peers = z.array(z.string().min(1).max(256)).max(REPLICAS_MAX);
  return defineTool({
    name: 'board_replicas',
    title: 'Show or change who keeps a strong board',
    description:
      'Who keeps a strong board. With `add` and `remove` (alias, PeerId or did:key) that changes: done once every key is on the new replicas, of whom more than half must be there, as of the old ones. A replica that lost its disk is added again.',
    input: z.object({ board, add: peers.optional(), remove: peers.optional() }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'ask',
    async run({ board: name, add = [], remove = [] }, context): Promise<BoardReplicasResult> {
      const found = await components.blackboard.board(name);
      const isChange = add.length + remove.length > 0;
      const what = isChange ? 'admin' : 'read';
      await checkUse(components.rights, context, { board: found, what, key: '' });
      const replicas = isChange
        ? await found.changeReplicas({
            add: replicaDids(components, add),
            remove: replicaDids(components, remove),
          })
        : await found.replicas();
      return { board: name, replicas };
    },
  });
}

/** @throws STARLING_BOARD_CONFLICT when the key holds something else than a lease */
function leaseResult(key: string, outcome: StrongOutcome, isRelease: boolean): BoardLeaseResult {
  const { ok, value } = outcome;
  const held = value as { readonly lease?: Omit<BoardLeaseResult, 'granted'> } | undefined;
  const lease = held?.lease;
  if (lease !== undefined) {
    const { holder, token, until } = lease;
    return { granted: ok && !isRelease, holder, token, until };
  }
  if (value === undefined) return { granted: false, holder: '', token: 0, until: 0 };
  throw new StarlingError('STARLING_BOARD_CONFLICT', `'${key}' holds something else than a lease`, {
    hint: 'take another key for the lease',
  });
}

function holderOf(self: Did, { principal }: BuiltinContext): string {
  return principal.kind === 'client' ? `client:${principal.name}@${self}` : self;
}

async function usable(
  { blackboard, rights }: StrongBoardComponents,
  input: { readonly board: string; readonly key: string },
  context: BuiltinContext,
): Promise<Board> {
  const found = await blackboard.board(input.board);
  await checkUse(rights, context, { board: found, what: 'write', key: input.key });
  return found;
}
