/** The tools by which the operator says who may call what, and lets new peers in. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import { parseResource, uriResource } from '../grants/index.ts';
import type { Capability, Grant, GrantBook } from '../grants/index.ts';
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
/** Who may read a resource may also hear that it changed. */
const RESOURCE_ABILITIES = ['resource/read', 'resource/subscribe'] as const;

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

const patterns = (description: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z.array(z.string().min(1).max(256)).max(64).optional().describe(description);

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
    title: 'Grant things to a peer',
    description:
      "Lets a peer use this node's servers: tools and prompts named `<server>/<name>`, resources named `<server>/<uri>`, with `*` as wildcard; or all of a server.",
    input: z.object({
      peer: z.string().min(1).describe('Alias, PeerId or did:key of the peer.'),
      tools: patterns('Tools, e.g. `files/*`, `git/status`, `files/read_*`.'),
      resources: patterns('Resources, e.g. `files/file:///srv/docs/**`, `demo/**`.'),
      prompts: patterns('Prompts, e.g. `git/*`.'),
      servers: patterns('Servers of which everything is granted, e.g. `files`.'),
      expires_s: seconds(GRANT_DEFAULT_S),
    }),
    hints: { destructiveHint: false },
    async run(input): Promise<GrantCreateResult> {
      const aud = audienceOf(components, input.peer);
      const capabilities = capabilitiesOf(input);
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

interface Granted {
  readonly tools?: readonly string[] | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly prompts?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
}

/** What a grant's patterns allow. @throws STARLING_USAGE when there are none, or one is malformed */
function capabilitiesOf(granted: Granted): readonly Capability[] {
  const { tools = [], resources = [], prompts = [], servers = [] } = granted;
  const whole = servers.flatMap((server) => [
    { resource: resourceOf('tool', `${server}/**`), ability: 'tool/call' },
    { resource: resourceOf('prompt', `${server}/**`), ability: 'prompt/get' },
    ...RESOURCE_ABILITIES.map((ability) => ({
      resource: resourceOf('resource', `${server}/**`),
      ability,
    })),
  ]);
  const capabilities = [
    ...tools.map((tool) => ({ resource: resourceOf('tool', tool), ability: 'tool/call' })),
    ...prompts.map((prompt) => ({ resource: resourceOf('prompt', prompt), ability: 'prompt/get' })),
    ...resources.flatMap((pattern) =>
      RESOURCE_ABILITIES.map((ability) => ({ resource: resourceOf('resource', pattern), ability })),
    ),
    ...whole,
  ];
  if (capabilities.length > 0) return capabilities;
  throw new StarlingError('STARLING_USAGE', 'a grant needs something to grant', {
    hint: "name tools, resources, prompts or servers, for example --tool 'files/*'",
  });
}

/** `files/*` → `tool:files/*`. @throws STARLING_USAGE when it is no pattern of its kind */
function resourceOf(kind: 'tool' | 'prompt' | 'resource', pattern: string): string {
  const at = pattern.indexOf('/');
  if (at <= 0) {
    throw new StarlingError('STARLING_USAGE', `'${pattern}' is no ${kind} pattern`, {
      hint: `a ${kind} is <server>/<${kind === 'resource' ? 'uri' : kind}>, for example '${pattern}/*' for all of the server ${pattern}`,
    });
  }
  const [server, rest] = [pattern.slice(0, at), pattern.slice(at + 1)];
  const isUri = kind === 'resource' && rest !== '**';
  const resource = isUri ? uriResource(server, rest) : `${kind}:${pattern}`;
  try {
    parseResource(resource);
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `'${pattern}' is no ${kind} pattern`, {
      cause: error,
      hint: `use <server>/<${kind === 'resource' ? 'uri' : kind}> with * as wildcard, for example 'files/read_*'`,
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
