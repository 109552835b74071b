/** The tools by which the operator sees what is quarantined, and approves it. */
import { z } from 'zod';
import { StarlingError, printable } from '../core/index.ts';
import { defineTool, pinReference } from '../gateway/index.ts';
import type { BuiltinTool, Pins, QuarantineEntry } from '../gateway/index.ts';
import type { Membership } from '../membership/index.ts';
import type { PinApproveResult, PinListResult, PinSummary } from './results.ts';

/** Entries of one answer that come with their difference. */
const DIFFERENCES_MAX = 50;
/** Entries of one answer. */
const LISTED_MAX = 1000;
const REFERENCE_MAX = 1024;

/** What the pin tools need. */
export interface PinComponents {
  readonly pins: Pick<Pins, 'list' | 'approve' | 'count'>;
  readonly membership: Pick<Membership, 'peers'>;
}

/** A quarantined thing, and how a person calls it. */
interface Referred {
  readonly entry: QuarantineEntry;
  readonly peer: string | undefined;
  /** `[<peer>/]<server>` */
  readonly serverReference: string;
  readonly reference: string;
}

/** `pin_list` and `pin_approve`. */
export function pinTools(components: PinComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'pin_list',
      title: 'List what is quarantined',
      description:
        'Tools, prompts and instructions that are not as they were pinned at first sight, and are therefore neither listed nor callable, with the difference.',
      input: z.object({
        filter: z
          .string()
          .max(REFERENCE_MAX)
          .optional()
          .describe('Only `[<peer>/]<server>[/<name>]` that contain this.'),
      }),
      hints: { readOnlyHint: true },
      clients: 'no',
      async run(input): Promise<PinListResult> {
        const wanted = referred(components)
          .filter(({ reference }) => reference.includes(input.filter ?? ''))
          .slice(0, LISTED_MAX);
        const quarantined: PinSummary[] = [];
        for (const [index, one] of wanted.entries()) {
          const isShown = index < DIFFERENCES_MAX;
          quarantined.push({
            ...summaryOf(one),
            ...(isShown ? { difference: await one.entry.difference() } : {}),
          });
        }
        return { quarantined, pinned: components.pins.count() };
      },
    }),
    defineTool({
      name: 'pin_approve',
      title: 'Approve what is quarantined',
      description:
        'Pins the definitions that are offered now, so that they are listed and callable again. Look at pin_list first.',
      input: z.object({
        reference: z
          .string()
          .min(1)
          .max(REFERENCE_MAX)
          .optional()
          .describe('`[<peer>/]<server>/<name>` as pin_list gives it, or `[<peer>/]<server>`.'),
        all: z.boolean().optional().describe('True: everything that is quarantined.'),
      }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      run: (input): Promise<PinApproveResult> => approve(components, input),
    }),
  ];
}

async function approve(
  { pins, membership }: PinComponents,
  input: { readonly reference?: string | undefined; readonly all?: boolean | undefined },
): Promise<PinApproveResult> {
  const { reference, all = false } = input;
  if (all === (reference !== undefined)) {
    throw new StarlingError(
      'STARLING_USAGE',
      'pin_approve needs either `reference` or `all: true`',
      {
        hint: 'see what is quarantined: starling pin list',
      },
    );
  }
  const known = referred({ pins, membership });
  const chosen = reference === undefined ? known : meant(known, reference);
  // One call a name: each approval holds for what was shown of it.
  const names = new Map(chosen.map((one) => [one.reference, one.entry]));
  for (const { owner, server, name } of names.values()) await pins.approve(owner, server, name);
  return { approved: chosen.map(summaryOf) };
}

/** What `reference` stands for. @throws STARLING_TOOL_UNKNOWN, STARLING_USAGE when it is ambiguous */
function meant(known: readonly Referred[], reference: string): readonly Referred[] {
  const chosen = known.filter(
    (one) => one.reference === reference || one.serverReference === reference,
  );
  const servers = [...new Set(chosen.map(({ serverReference }) => serverReference))];
  if (servers.length > 1) {
    throw new StarlingError(
      'STARLING_USAGE',
      `'${printable(reference)}' is something of ${servers.map((it) => printable(it)).join(' and of ')}`,
      { hint: 'name one with server and tool, as starling pin list shows it' },
    );
  }
  if (chosen.length > 0) return chosen;
  throw new StarlingError(
    'STARLING_TOOL_UNKNOWN',
    `nothing quarantined is '${printable(reference)}'`,
    {
      hint: 'see what is: starling pin list',
    },
  );
}

function referred({ pins, membership }: PinComponents): readonly Referred[] {
  const aliases = new Map(membership.peers().map((peer) => [peer.peerId, peer.alias]));
  return pins.list().map((entry) => {
    const { owner, server, name } = entry;
    const peer = owner === '' ? undefined : (aliases.get(owner) ?? owner);
    const at = { ...(peer === undefined ? {} : { peer }), server };
    return {
      entry,
      peer,
      serverReference: peer === undefined ? server : `${peer}/${server}`,
      reference: pinReference(at, name),
    };
  });
}

function summaryOf({ entry, peer, reference }: Referred): PinSummary {
  const { server, kind, name, reason, was, flags, since } = entry;
  return {
    reference,
    ...(peer === undefined ? {} : { peer }),
    server,
    kind,
    name,
    reason,
    ...(was === undefined ? {} : { was }),
    flags,
    since,
  };
}
