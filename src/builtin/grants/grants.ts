/** The tools by which the operator says who may call what, and lets new peers in. */
import { z } from 'zod';
import { ID_PART_WORDS, StarlingError, meantById, printable, shellWord } from '../../core/index.ts';
import { RENEWED_LIFETIME_MS } from '../../grants/index.ts';
import type { Grant } from '../../grants/index.ts';
import { INVITE_USES_MAX } from '../../mesh/index.ts';
import type { Members } from '../../mesh/index.ts';
import { peerIdFromDid, shortId } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import {
  CONDITIONS,
  WHAT,
  audienceOf,
  capabilitiesOf,
  caveatsOf,
  conditioned,
  seconds,
} from './grant-input.ts';
import { boardGrantCalled, boardGrants } from './board-grants.ts';
import type { BoardGrantComponents } from './board-grants.ts';
import { asGrantsWrite } from './grant-names.ts';
import type { NamesHere } from './grant-names.ts';
import { absentArguments, absentIn, sameAs, unlimitedBy } from './grant-remarks.ts';
import { renewableIn, summarise } from './grant-summary.ts';
import { chainTools } from './grant-chain.ts';
import type { ChainComponents } from './grant-chain.ts';
import type {
  GrantCreateResult,
  GrantListResult,
  GrantRevokeResult,
  InviteResult,
} from '../results.ts';
import { defineTool } from '../../gateway/index.ts';

const DAY_S = 86_400;
const INVITE_DEFAULT_S = DAY_S;
/** Remarks on one grant: what is more is said by `grant list`. */
const REMARKS_MAX = 16;

/** What the grant tools need. */
export interface GrantComponents extends ChainComponents {
  /** Says of tickets of other members that they are no grants of this node. */
  readonly members: Pick<Members, 'tickets'>;
  readonly membership: ChainComponents['membership'] & Pick<Membership, 'nameOf'>;
  /** Rights on boards are listed, too, where this is given. */
  readonly boards?: BoardGrantComponents;
  createTicket(init: {
    expiresInMs: number;
    canInvite: boolean;
    uses: number;
  }): Promise<InviteResult>;
}

/** The `grant_…` tools and `invite_create`. */
export function grantTools(components: GrantComponents): readonly BuiltinTool[] {
  return [
    createTool(components),
    listTool(components),
    revokeTool(components),
    ...chainTools(components),
    defineTool({
      name: 'invite_create',
      title: 'Invite a new peer',
      description:
        'Makes a ticket with which a new node joins this mesh: `starling up --join <ticket>`. Whoever holds it can join, once if not told otherwise, so hand it over privately.',
      input: z.object({
        expires_s: seconds(`Lifetime in seconds; default ${INVITE_DEFAULT_S}.`),
        can_invite: z
          .boolean()
          .optional()
          .describe('May the newcomer invite others? Default true.'),
        uses: z
          .number()
          .int()
          .min(1)
          .max(INVITE_USES_MAX)
          .optional()
          .describe(`How many nodes it lets in; default 1, at most ${INVITE_USES_MAX}.`),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      run: (input): Promise<InviteResult> =>
        components.createTicket({
          expiresInMs: (input.expires_s ?? INVITE_DEFAULT_S) * 1000,
          canInvite: input.can_invite ?? true,
          uses: input.uses ?? 1,
        }),
    }),
  ];
}

function createTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_create',
    title: 'Grant things to a peer',
    description:
      "Lets a peer use this node's servers: tools and prompts named `<server>/<name>`, resources named `<server>/<uri>`, with `*` as wildcard; or all of a server.",
    input: z.object({
      peer: z.string().min(1).describe('Alias, PeerId or did:key of the peer.'),
      ...WHAT,
      ...CONDITIONS,
      expires_s: seconds(
        'Lifetime in seconds. Default: until revoked; it lasts a day, and is renewed while the peer is there.',
      ),
    }),
    hints: { destructiveHint: false },
    clients: 'no',
    async run(given): Promise<GrantCreateResult> {
      const input = asGrantsWrite(given, namesIn(components));
      const { budgets } = components;
      const caveats = caveatsOf(input, budgets, 'own');
      const lifetimeMs =
        input.expires_s === undefined ? RENEWED_LIFETIME_MS : input.expires_s * 1000;
      const grant = await components.grants.issue({
        aud: audienceOf(components.membership, input.peer),
        capabilities: capabilitiesOf(input).map((one) => conditioned(one, caveats)),
        expiresAtMs: components.clock.now() + lifetimeMs,
        ...(input.max_depth === undefined ? {} : { maxDepth: input.max_depth }),
        ...(input.expires_s === undefined ? { renewForMs: lifetimeMs } : {}),
      });
      const remarks = [
        ...absentIn(input, components.offers),
        ...absentArguments(input, components.offers),
        ...sameAs(grant, components.grants),
        ...unlimitedBy(grant, components.grants, components.counters),
      ].slice(0, REMARKS_MAX);
      return {
        grant: summarise(components, grant, 'issued'),
        jws: grant.jws,
        ...(remarks.length === 0 ? {} : { remarks }),
      };
    },
  });
}

function namesIn({ membership, offers, self }: GrantComponents): NamesHere {
  const peers = membership.peers();
  const aliases = peers.map(({ alias }) => alias);
  const called = peers.flatMap(({ callsUs }) => callsUs ?? []);
  return {
    offers,
    // What a peer says that it calls this node never takes the name of another peer.
    selves: [self.name, ...called.filter((name) => !aliases.includes(name))],
    isPeer: (name) => name !== self.name && aliases.includes(name),
  };
}

function listTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_list',
    title: 'List grants',
    description:
      'The grants that this node issued or received, newest first, with their state; memberships and open tickets only if asked for.',
    input: z.object({
      all: z
        .boolean()
        .optional()
        .describe('Also memberships and open tickets that this node gave? Default false.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run({ all = false }): Promise<GrantListResult> {
      const renewable = renewableIn(components);
      const issued = components.grants
        .issued()
        .filter((grant) => (all ? !isStale(components, grant) : !isOfMesh(grant)))
        .map((grant) => summarise(components, grant, 'issued', renewable));
      const received = components.grants
        .received()
        .map((grant) => summarise(components, grant, 'received'));
      const { boards, membership } = components;
      const onBoards = boards === undefined ? [] : await boardGrants(boards, membership);
      const grants = [...issued, ...received, ...onBoards];
      return { grants: grants.sort((a, b) => b.issuedAt - a.issuedAt) };
    },
  });
}

/** A membership or a ticket. */
function isOfMesh({ claims }: Grant): boolean {
  return claims.cap.every(({ resource }) => resource.startsWith('mesh:'));
}

/** A ticket that lets nobody in any more. */
function isStale({ admission, grants }: GrantComponents, grant: Grant): boolean {
  const ticket = admission.ticketOf(grant);
  return ticket === 'spent' || (ticket === 'open' && grants.state(grant) !== 'valid');
}

/**
 * @throws STARLING_GRANT_UNKNOWN; STARLING_USAGE when `id` names a ticket of another member, or a peer, none of whose
 * grants is meant by that
 */
async function findToRevoke(components: GrantComponents, id: string): Promise<Grant> {
  const { grants, membership, boards } = components;
  try {
    return grants.find(id);
  } catch (error) {
    const peer = peerCalled(membership, id);
    const right = boards && (await boardGrantCalled(boards, membership, id));
    if (right !== undefined) throw right;
    if (peer === undefined) throw ticketOfOther(components, id) ?? error;
    const own = grants
      .issued()
      .filter((grant) => grant.claims.aud === peer.did && grants.state(grant) === 'valid')
      .filter((grant) => !isOfMesh(grant))
      .map(({ claims }) => claims.jti.slice(0, 8));
    const which =
      own.length === 0 ? 'it has no grants' : `its grants: ${own.slice(0, 8).join(', ')}`;
    throw new StarlingError('STARLING_USAGE', `'${printable(id, 64)}' is a peer; ${which}`, {
      hint: `which is which: starling grant list ${peer.alias}; to put it out of the mesh: starling peers remove ${peer.alias}`,
    });
  }
}

/** That `id` is a ticket, which only the member that made it can end; undefined where it is none. */
function ticketOfOther(
  { members, membership }: GrantComponents,
  id: string,
): StarlingError | undefined {
  const meant = meantById(id, members.tickets(), (ticket) => ticket.id);
  if (!('found' in meant)) return undefined;
  const { by, id: whole } = meant.found;
  const maker = membership.nameOf(peerIdFromDid(by)) ?? shortId(by);
  return new StarlingError(
    'STARLING_USAGE',
    `the ticket ${whole.slice(0, 8)} was made by ${maker}, and ends only there`,
    {
      hint: `on ${maker}: starling grant revoke ${whole.slice(0, 8)}; or put ${maker} out, with which its tickets end: starling peers remove ${shellWord(maker)}`,
    },
  );
}

function peerCalled(
  membership: GrantComponents['membership'],
  name: string,
): ReturnType<GrantComponents['membership']['resolve']> | undefined {
  try {
    return membership.resolve(name);
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}

function revokeTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_revoke',
    title: 'Revoke a grant',
    description:
      'Ends a grant at once, in open sessions too. Takes the grant’s id or its first characters.',
    input: z.object({
      id: z.string().min(1).max(64).describe(`Id of the grant, ${ID_PART_WORDS}.`),
      reason: z.string().max(500).optional(),
    }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'no',
    async run(input): Promise<GrantRevokeResult> {
      const grant = await findToRevoke(components, input.id);
      const wasRevoked = components.grants.state(grant) === 'revoked';
      // A grant that was revoked before gives the revocation of then.
      const { claims } = await components.grants.revoke(grant.claims.jti, input.reason);
      return {
        revoked: [summarise(components, grant, 'issued')],
        ...(wasRevoked ? { since: claims.iat * 1000 } : {}),
      };
    },
  });
}
