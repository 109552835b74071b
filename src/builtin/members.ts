/** The tools about belonging: who is a member, what is known of one peer, and how one is put out or leaves. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { GrantBook } from '../grants/index.ts';
import { isShortIdOf, peerIdFromDid, shortId } from '../identity/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Member, Members, OpenTicket } from '../mesh/index.ts';
import type { Network } from '../network/index.ts';
import { summarise } from './grants/grant-summary.ts';
import type { SummaryComponents } from './grants/grant-summary.ts';
import type {
  LeaveResult,
  MemberSummary,
  MembersResult,
  PeerRemoveResult,
  PeerRenameResult,
  PeerShowResult,
  PeerSummary,
  TicketSummary,
} from './results.ts';

/** What these tools need. */
export interface MemberToolComponents extends SummaryComponents {
  readonly grants: SummaryComponents['grants'] & Pick<GrantBook, 'issued' | 'received'>;
  readonly membership: Pick<Membership, 'nameOf' | 'peer' | 'rename' | 'resolve'>;
  readonly members: Members;
  readonly network: Pick<Network, 'isConnected'>;
  /** This node, and what it calls itself. */
  readonly self: { readonly did: Did; readonly name: string };
  /** A peer with what is to be said of how it behaves. */
  summaryOf(view: PeerView): PeerSummary;
  leave(): Promise<LeaveResult>;
}

const peer = z.string().min(1).max(256).describe('Alias, PeerId or did:key of the peer.');

/** `members`, `peer_show`, `peer_rename`, `peer_remove` and `mesh_leave`. */
export function memberTools(components: MemberToolComponents): readonly BuiltinTool[] {
  return [
    listTool(components),
    showTool(components),
    renameTool(components),
    removeTool(components),
    leaveTool(components),
  ];
}

function listTool(components: MemberToolComponents): BuiltinTool {
  return defineTool({
    name: 'members',
    title: 'Members of the mesh',
    description:
      'Who is a member of this mesh, who let each in, who was put out by whom; and the tickets that can still let somebody in.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: (): MembersResult => ({
      members: components.members.all().map((member) => memberSummary(components, member)),
      tickets: components.members.tickets().map((ticket) => ticketSummary(components, ticket)),
    }),
  });
}

function showTool(components: MemberToolComponents): BuiltinTool {
  return defineTool({
    name: 'peer_show',
    title: 'Show one peer',
    description:
      'All that is known of a peer: its names and keys, where it is, by whom it came in, and the grants that it has of this node, or gave to this node.',
    input: z.object({ peer }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run({ peer: reference }): PeerShowResult {
      const view = components.membership.resolve(reference);
      const member = components.members.all().find(({ did }) => did === view.did);
      return {
        peer: components.summaryOf(view),
        ...(member === undefined ? {} : { member: memberSummary(components, member) }),
        grants: grantsWith(components, view.did),
      };
    },
  });
}

function renameTool(components: MemberToolComponents): BuiltinTool {
  return defineTool({
    name: 'peer_rename',
    title: 'Rename a peer',
    description:
      'Gives a peer another name on this node, by which grants, tools and the policy know it from now on.',
    input: z.object({
      peer,
      name: z.string().min(1).max(32).describe('1 to 32 of a-z, 0-9 and -.'),
    }),
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'no',
    run({ peer: reference, name }): PeerRenameResult {
      const { alias: before, peerId } = components.membership.resolve(reference);
      const { alias } = components.membership.rename(peerId, name);
      return { peerId, before, peer: alias };
    },
  });
}

function removeTool(components: MemberToolComponents): BuiltinTool {
  return defineTool({
    name: 'peer_remove',
    title: 'Put a peer out of the mesh',
    description:
      'Puts a peer out of the mesh, and whomever it let in; ends the grants that this node gave it. A new ticket lets it in again.',
    input: z.object({ peer, reason: z.string().max(500).optional() }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'no',
    async run({ peer: reference, reason }): Promise<PeerRemoveResult> {
      const { members, network } = components;
      const { alias, did, peerId } = memberOf(components, reference);
      const end = members.all().find((member) => member.did === did)?.end;
      if (end !== undefined && end.by !== end.of) {
        const since = { at: end.at, by: called(components, end.by) };
        const nothing = { members: [], grants: [], tickets: [], connections: 0 };
        return { peer: alias, peerId, did, ...nothing, since };
      }
      const connections = network.isConnected(peerId) ? 1 : 0;
      const out = await members.putOut(did, reason).catch((error: unknown) => {
        throw explained(components, alias, error);
      });
      return {
        peer: alias,
        peerId,
        did,
        members: out.members.map((one) => called(components, one)),
        grants: out.grants,
        tickets: out.tickets,
        connections,
      };
    },
  });
}

/** A peer, or a member that this node has never met: `members` lists that one by its id. */
function memberOf(
  components: MemberToolComponents,
  reference: string,
): Pick<PeerView, 'alias' | 'did' | 'peerId'> {
  try {
    return components.membership.resolve(reference);
  } catch (error) {
    const isUnknown = error instanceof StarlingError && error.code === 'STARLING_PEER_UNKNOWN';
    const found = components.members.all().find(({ did }) => {
      const peerId = peerIdFromDid(did);
      return (
        [did, peerId, called(components, did)].includes(reference) || isShortIdOf(reference, peerId)
      );
    });
    if (!isUnknown || found === undefined) throw error;
    const { did } = found;
    return { alias: called(components, did), did, peerId: peerIdFromDid(did) };
  }
}

function leaveTool(components: MemberToolComponents): BuiltinTool {
  return defineTool({
    name: 'mesh_leave',
    title: 'Leave the mesh',
    description:
      'Leaves the mesh: says so to its members, ends the grants that this node gave, and forgets its boards. The node ends by it.',
    input: z.object({}),
    hints: { destructiveHint: true, idempotentHint: false },
    clients: 'no',
    run: () => components.leave(),
  });
}

/** Who is above the peer is named, since they can do it. */
function explained(components: MemberToolComponents, alias: string, error: unknown): unknown {
  if (!(error instanceof StarlingError)) return error;
  const { code, data } = error;
  const above = Array.isArray(data['above']) ? (data['above'] as readonly Did[]) : undefined;
  if (above === undefined) return error;
  const names = above.map((did) => called(components, did));
  return new StarlingError(code, `this node can't put ${alias} out: ${error.message}`, {
    hint:
      names.length === 0
        ? 'it founded the mesh'
        : `${names.join(' or ')} can, by: starling peers remove ${alias}`,
  });
}

function memberSummary(components: MemberToolComponents, member: Member): MemberSummary {
  const { did, by, isFounder, since, canInvite, end } = member;
  const newName = components.membership.peer(peerIdFromDid(did))?.newName;
  const state = end === undefined ? 'member' : end.by === did ? 'left' : 'out';
  return {
    name: called(components, did),
    ...(newName === undefined ? {} : { newName }),
    isSelf: did === components.self.did,
    peerId: peerIdFromDid(did),
    did,
    state,
    isFounder,
    ...(isFounder ? {} : { by: called(components, by) }),
    since,
    canInvite,
    ...(end === undefined
      ? {}
      : {
          end: {
            by: called(components, end.by),
            at: end.at,
            ...(end.isAbove ? { of: called(components, end.of) } : {}),
            ...(end.reason === undefined ? {} : { reason: end.reason }),
          },
        }),
  };
}

function ticketSummary(components: MemberToolComponents, ticket: OpenTicket): TicketSummary {
  const { id, by, since, expiresAt, uses, usedBy, canInvite } = ticket;
  return {
    id,
    by: called(components, by),
    isOwn: by === components.self.did,
    since,
    expiresAt,
    uses,
    usedBy: usedBy.map((did) => called(components, did)),
    canInvite,
  };
}

function grantsWith(components: MemberToolComponents, did: Did): PeerShowResult['grants'] {
  const { grants, membership } = components;
  const isWith = (one: Did): boolean =>
    one === did || membership.peer(peerIdFromDid(one))?.did === did;
  const issued = grants
    .issued()
    .filter(({ claims }) => isWith(claims.aud))
    .filter(({ claims }) => !claims.cap.every(({ resource }) => resource.startsWith('mesh:')))
    .map((grant) => summarise(components, grant, 'issued'));
  const received = grants
    .received()
    .filter(({ claims }) => isWith(claims.iss))
    .map((grant) => summarise(components, grant, 'received'));
  return [...issued, ...received].filter(({ state }) => state === 'valid');
}

/** The name of a node, or its short id where it has none here. */
function called({ membership, self }: MemberToolComponents, did: Did): string {
  if (did === self.did) return self.name;
  return membership.nameOf(peerIdFromDid(did)) ?? shortId(did);
}
