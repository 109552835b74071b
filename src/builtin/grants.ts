/** The tools by which the operator says who may call what, and lets new peers in. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import { parseResource } from '../grants/index.ts';
import type { Grant, GrantBook } from '../grants/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { parseDid } from '../identity/index.ts';
import type { Membership } from '../membership/index.ts';
import { defineTool } from './tool.ts';
import type {
  GrantCreateResult,
  GrantListResult,
  GrantRevokeResult,
  GrantSummary,
  InviteResult,
} from './types.ts';

const DAY_S = 86_400;
/** How long a grant lasts when nobody says otherwise. */
const GRANT_DEFAULT_S = 7 * DAY_S;
/** No grant and no invite outlives this. */
const EXPIRES_MAX_S = 3650 * DAY_S;
const INVITE_DEFAULT_S = DAY_S;

/** What the grant tools need. */
export interface GrantComponents {
  readonly clock: Clock;
  readonly grants: GrantBook;
  readonly membership: Pick<Membership, 'resolve' | 'peers'>;
  createTicket(init: { expiresInMs: number; canInvite: boolean }): Promise<InviteResult>;
}

const seconds = (defaultS: number): z.ZodOptional<z.ZodNumber> =>
  z
    .number()
    .positive()
    .max(EXPIRES_MAX_S)
    .optional()
    .describe(`Lifetime in seconds; default ${defaultS}.`);

/** `grant_create`, `grant_list`, `grant_revoke` and `invite_create`. */
export function grantTools(components: GrantComponents): readonly BuiltinTool[] {
  return [
    createTool(components),
    listTool(components),
    revokeTool(components),
    defineTool({
      name: 'invite_create',
      title: 'Invite a new peer',
      description:
        'Makes a one-use ticket with which a new node joins this mesh: `starling up --join <ticket>`. Whoever holds it can join once, so hand it over privately.',
      input: z.object({
        expires_s: seconds(INVITE_DEFAULT_S),
        can_invite: z
          .boolean()
          .optional()
          .describe('May the newcomer invite others? Default true.'),
      }),
      hints: { destructiveHint: false },
      run: (input): Promise<InviteResult> =>
        components.createTicket({
          expiresInMs: (input.expires_s ?? INVITE_DEFAULT_S) * 1000,
          canInvite: input.can_invite ?? true,
        }),
    }),
  ];
}

function createTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_create',
    title: 'Grant tools to a peer',
    description:
      "Lets a peer call tools of this node's servers, named `<server>/<tool>` with `*` as wildcard.",
    input: z.object({
      peer: z.string().min(1).describe('Alias, PeerId or did:key of the peer.'),
      tools: z
        .array(z.string().min(1).max(256))
        .min(1)
        .max(64)
        .describe('Tools, e.g. `files/*`, `git/status`, `files/read_*`.'),
      expires_s: seconds(GRANT_DEFAULT_S),
    }),
    hints: { destructiveHint: false },
    async run(input): Promise<GrantCreateResult> {
      const aud = audienceOf(components, input.peer);
      const capabilities = input.tools.map((tool) => ({
        resource: toolResource(tool),
        ability: 'tool/call',
      }));
      const lifetimeMs = (input.expires_s ?? GRANT_DEFAULT_S) * 1000;
      const grant = await components.grants.issue({
        aud,
        capabilities,
        expiresAtMs: components.clock.now() + lifetimeMs,
      });
      return { grant: summarise(components, grant, 'issued'), jws: grant.jws };
    },
  });
}

function listTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_list',
    title: 'List grants',
    description: 'All grants that this node issued or received, newest first, with their state.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    run(): GrantListResult {
      const issued = components.grants
        .issued()
        .map((grant) => summarise(components, grant, 'issued'));
      const received = components.grants
        .received()
        .map((grant) => summarise(components, grant, 'received'));
      return { grants: [...issued, ...received].sort((a, b) => b.issuedAt - a.issuedAt) };
    },
  });
}

function revokeTool(components: GrantComponents): BuiltinTool {
  return defineTool({
    name: 'grant_revoke',
    title: 'Revoke a grant',
    description:
      'Ends a grant at once, in open sessions too. Takes the grant’s id or its first characters.',
    input: z.object({
      id: z.string().min(4).max(64).describe('Id of the grant, or at least 4 characters of it.'),
      reason: z.string().max(500).optional(),
    }),
    hints: { destructiveHint: true, idempotentHint: true },
    async run(input): Promise<GrantRevokeResult> {
      const grant = components.grants.find(input.id);
      await components.grants.revoke(grant.claims.jti, input.reason);
      return { revoked: [summarise(components, grant, 'issued')] };
    },
  });
}

function audienceOf(components: GrantComponents, reference: string): Did {
  if (reference.startsWith('did:key:')) return parseDid(reference);
  return components.membership.resolve(reference).did;
}

/** `files/*` → `tool:files/*`. @throws STARLING_USAGE when it is no tool pattern */
function toolResource(tool: string): string {
  if (!tool.includes('/')) {
    throw new StarlingError('STARLING_USAGE', `'${tool}' is no tool pattern`, {
      hint: `a tool is <server>/<tool>, for example '${tool}/*' for all tools of the server ${tool}`,
    });
  }
  const resource = `tool:${tool}`;
  try {
    parseResource(resource);
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `'${tool}' is no tool pattern`, {
      cause: error,
      hint: "use <server>/<tool> with * as wildcard, for example 'files/read_*'",
    });
  }
  return resource;
}

function summarise(
  components: GrantComponents,
  grant: Grant,
  direction: 'issued' | 'received',
): GrantSummary {
  const did = direction === 'issued' ? grant.claims.aud : grant.claims.iss;
  const peer = components.membership.peers().find((view) => view.did === did);
  return {
    id: grant.claims.jti,
    direction,
    with: peer?.alias ?? did,
    did,
    capabilities: grant.claims.cap,
    issuedAt: grant.claims.iat * 1000,
    expiresAt: grant.claims.exp * 1000,
    state: components.grants.state(grant),
  };
}
