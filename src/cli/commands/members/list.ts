/** `starling members` */
import type {
  KnockListResult,
  KnockSummary,
  MemberSummary,
  MembersResult,
  TicketSummary,
} from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, duration, printData, safeLine, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the members, below them the open tickets, and who asks to join. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, async (node) => ({
    ...(await node.builtin<MembersResult>('members')),
    ...(await node.builtin<KnockListResult>('knock_list')),
  }));
  printData(result, options.json === true, () =>
    [
      table(['NAME', 'ID', 'SINCE', 'LET IN BY', 'STATE'], result.members.map(row), {
        flexible: 4,
        wrap: true,
      }),
      '',
      ...describeTickets(result.tickets),
      ...describeKnocks(result.knocks),
    ].join('\n'),
  );
}

function row(member: MemberSummary): string[] {
  return [
    member.isSelf ? `${member.name} (this node)` : member.name,
    shortId(member.peerId),
    ago(member.since),
    member.isFounder ? 'the founder' : (member.by ?? '–'),
    stateOf(member),
  ];
}

function stateOf({ state, end, canInvite }: MemberSummary): string {
  if (end === undefined) return canInvite ? 'member' : 'member, may not invite';
  if (state === 'left') return `left ${ago(end.at)}`;
  const whose = end.of === undefined ? '' : `with ${end.of} `;
  const why = end.reason === undefined ? '' : `: ${end.reason}`;
  return `put out ${whose}by ${end.by} ${ago(end.at)}${why}`;
}

function describeTickets(tickets: readonly TicketSummary[]): readonly string[] {
  if (tickets.length === 0) return ['no open ticket; make one with: starling invite'];
  const rows = tickets.map((ticket) => [
    ticket.id.slice(0, 8),
    ticket.by,
    ago(ticket.since),
    `in ${duration(ticket.expiresAt - Date.now())}`,
    usesOf(ticket),
  ]);
  const isOwn = tickets.some((ticket) => ticket.isOwn);
  return [
    table(['TICKET', 'MADE BY', 'MADE', 'EXPIRES', 'LETS IN'], rows, { flexible: 4, wrap: true }),
    ...(isOwn ? [safeLine('end one of this node with: starling grant revoke <ticket>')] : []),
  ];
}

function usesOf({ uses, usedBy, canInvite }: TicketSummary): string {
  const left = uses - usedBy.length;
  const used = usedBy.length === 0 ? '' : `, after ${usedBy.join(', ')}`;
  const bound = canInvite ? '' : ', who may not invite';
  return `${left} ${left === 1 ? 'node' : 'nodes'}${used}${bound}`;
}

function describeKnocks(knocks: readonly KnockSummary[]): readonly string[] {
  if (knocks.length === 0) return [];
  const rows = knocks.map(({ name, fingerprint, address, at }) => [
    name,
    fingerprint,
    address,
    ago(at),
  ]);
  return [
    '',
    table(['ASKS TO JOIN', 'FOUR WORDS OF ITS KEY', 'ADDRESS', 'SINCE'], rows, {
      flexible: 2,
      wrap: true,
    }),
  ];
}
