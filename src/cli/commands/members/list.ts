/** `starling members` */
import type {
  KnockListResult,
  KnockSummary,
  MemberSummary,
  MembersResult,
  TicketSummary,
} from '../../../builtin/results.ts';
import { shownName } from '../../../core/words/shown-name.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, duration, printData, safeLine, table } from '../../terminal/output.ts';
import type { TableInit } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the members, below them the open tickets, and who asks to join. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, async (node) => ({
    ...(await node.builtin<MembersResult>('members')),
    ...(await node.builtin<KnockListResult>('knock_list')),
  }));
  printData(result, options.json === true, () => describeMembers(result));
}

/** The members, the open tickets and who asks to join, in tables that fit into `columns`. */
export function describeMembers(
  { members, tickets, knocks }: MembersResult & KnockListResult,
  columns?: number,
): string {
  const fit = { wrap: true, ...(columns === undefined ? {} : { columns }) };
  return [
    table(['NAME', 'ID', 'SINCE', 'LET IN BY', 'STATE'], members.map(row), { flexible: 4, ...fit }),
    ...members.flatMap(endLines),
    '',
    ...describeTickets(tickets, fit),
    ...describeKnocks(knocks, fit),
    ...knocks.flatMap((knock) => formerLine(knock, members)),
  ].join('\n');
}

function row(member: MemberSummary): string[] {
  return [
    member.isSelf ? `${member.name} (you)` : shownName({ ...member, alias: member.name }),
    shortId(member.peerId),
    ago(member.since),
    member.isFounder ? 'the founder' : (member.by ?? '–'),
    stateOf(member),
  ];
}

function stateOf({ state, canInvite }: MemberSummary): string {
  if (state === 'member') return canInvite ? 'member' : 'may not invite';
  return state === 'left' ? 'left' : 'put out';
}

/** By whom somebody was put out, when and why: too much for a column. */
function endLines({ name, state, end }: MemberSummary): readonly string[] {
  if (end === undefined || state === 'left') return [];
  const whose = end.of === undefined ? '' : `, with ${end.of},`;
  const what = `${name} was put out${whose} by ${end.by} ${ago(end.at)}`;
  return end.reason === undefined
    ? [safeLine(what)]
    : [safeLine(`${what}:`), safeLine(`  ${end.reason}`)];
}

function describeTickets(
  tickets: readonly TicketSummary[],
  fit: Pick<TableInit, 'columns' | 'wrap'>,
): readonly string[] {
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
    table(['TICKET', 'MADE BY', 'MADE', 'EXPIRES', 'LETS IN'], rows, { flexible: 4, ...fit }),
    ...(isOwn ? [safeLine('end one of this node with: starling grant revoke <ticket>')] : []),
  ];
}

function usesOf({ uses, usedBy, canInvite }: TicketSummary): string {
  const nodes = uses === 1 ? '1 node' : `${uses - usedBy.length} of ${uses} nodes`;
  return canInvite ? nodes : `${nodes}, who may not invite`;
}

/** Who asks was here before: the answer may depend on that. */
function formerLine(knock: KnockSummary, members: readonly MemberSummary[]): readonly string[] {
  const before = members.find(({ peerId, state }) => peerId === knock.peerId && state !== 'member');
  if (before === undefined) return [];
  const how = before.state === 'left' ? 'left this mesh before' : 'was put out of this mesh before';
  const as = before.name === knock.name ? '' : `, as ${before.name}`;
  return [safeLine(`! ${knock.name} ${how}${as}`)];
}

function describeKnocks(
  knocks: readonly KnockSummary[],
  fit: Pick<TableInit, 'columns' | 'wrap'>,
): readonly string[] {
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
      ...fit,
    }),
  ];
}
