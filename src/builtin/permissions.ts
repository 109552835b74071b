/**
 * The tools by which any agent asks for a grant, looks at one, or gives one back; and the resources
 * that show what it has. Whoever has proven who it is may use them, within limits of rate.
 */
import { z } from 'zod';
import {
  BUILTIN_SERVER,
  ID_PART_WORDS,
  StarlingError,
  meantById,
  messageOf,
  noSuchId,
} from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import {
  describeRefusal,
  parseGrant,
  toolResource,
  uriResource,
  verifyChain,
} from '../grants/index.ts';
import type { Grant, GrantBook } from '../grants/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { GIVEN_BACK, createAllowance, keyOf, nameOf } from '../guard/index.ts';
import type { Allowance, Guardian, PermissionAnswer, Principal } from '../guard/index.ts';
import type {
  ActiveGrantsResult,
  RevokeTokenResult,
  TokenView,
  ValidateTokenResult,
} from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** What the permission tools need. */
export interface PermissionComponents {
  readonly guardian: Guardian;
  readonly grants: Pick<
    GrantBook,
    'chainOf' | 'find' | 'isRevoked' | 'issued' | 'revoke' | 'state'
  >;
  readonly clock: Clock;
}

const TOKEN_MAX = 65_536;
const TOKENS_MAX = 16;
const TOKEN = z.string().min(1).max(TOKEN_MAX).describe(`The grant or its id, ${ID_PART_WORDS}.`);
/** Looks at tokens that one caller may have in a minute: each costs signature checks. */
const LOOKS_PER_MINUTE = 60;
/** Resources of the built-in server, of which everybody sees what is about themselves. */
export const ACTIVE_GRANTS_URI = 'grants://active';
export const AUDIT_URI = 'grants://audit';
const TOOLS = ['request_permission', 'validate_token', 'revoke_token'] as const;

/** What the guard lets everybody use who has proven who it is: its `open`. */
export const OPEN_RESOURCES: ReadonlySet<string> = new Set([
  ...TOOLS.map((tool) => toolResource(BUILTIN_SERVER, tool)),
  uriResource(BUILTIN_SERVER, ACTIVE_GRANTS_URI),
  uriResource(BUILTIN_SERVER, AUDIT_URI),
]);

/** `request_permission`, `validate_token` and `revoke_token`. */
export function permissionTools(components: PermissionComponents): readonly BuiltinTool[] {
  const looks = createAllowance(components.clock, 'looks at tokens');
  return [
    defineTool({
      name: 'request_permission',
      title: 'Ask for permission',
      description:
        'Asks the guardian of this node for a short-lived grant: it grants, refuses with reasons, or asks a person. Ask again with the same words to hear what a person said.',
      input: z.object({
        agent_id: z.string().min(1).max(200).describe('Who asks: your did:key, PeerId or name.'),
        resource_type: z
          .string()
          .min(1)
          .max(64)
          .describe(
            'SAP_API, FINANCIAL_API, EXTERNAL_SERVICE, DATA_EXPORT, or what is known here.',
          ),
        justification: z
          .string()
          .max(2000)
          .describe('What you need it for, and which thing exactly.'),
        scope: z
          .union([z.string().max(4096), z.array(z.string().max(512)).max(64)])
          .optional()
          .describe(
            'What you need: patterns like `files/read_*` or `resource:files/**`, as a list or with commas between them. Without it, everything of the type, which is riskier.',
          ),
      }),
      hints: { destructiveHint: false },
      clients: 'yes',
      peers: 'granted',
      run: (input, { principal }): Promise<PermissionAnswer> =>
        components.guardian.request(principal, {
          agentId: input.agent_id,
          resourceType: input.resource_type,
          justification: input.justification,
          scope: [input.scope ?? ''].flat().join(', '),
        }),
    }),
    validateTool(components, looks),
    revokeTool(components, looks),
  ];
}

/** What `grants://active` shows to `principal`: its own grants here, to the operator everybody's. */
export function activeGrants(
  { grants }: Pick<PermissionComponents, 'grants'>,
  principal: Principal,
): ActiveGrantsResult {
  const own = grants
    .issued()
    .filter(({ claims }) => principal.kind === 'operator' || claims.aud === didOf(principal))
    .filter((grant) => grants.state(grant) === 'valid');
  return { grants: own.map(viewOf) };
}

function validateTool(components: PermissionComponents, looks: Allowance): BuiltinTool {
  return defineTool({
    name: 'validate_token',
    title: 'Check a grant',
    description:
      'Says whether a grant is valid now, or which rule fails. Takes the grant itself, best with the grants that it stands on, or the id of one of yours.',
    input: z.object({ token: TOKEN }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    run(input, { principal }): ValidateTokenResult {
      looks.take(keyOf(principal), LOOKS_PER_MINUTE);
      return validate(components, principal, input.token);
    },
  });
}

function revokeTool(components: PermissionComponents, looks: Allowance): BuiltinTool {
  return defineTool({
    name: 'revoke_token',
    title: 'Give a grant back',
    description:
      'Ends a grant of this node at once, everywhere. Its holder can give it back; the operator can end any.',
    input: z.object({
      token: TOKEN,
      reason: z.string().max(400).optional(),
    }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'yes',
    peers: 'granted',
    async run(input, { principal }): Promise<RevokeTokenResult> {
      looks.take(keyOf(principal), LOOKS_PER_MINUTE);
      const { grants } = components;
      const grant = named(components, principal, input.token);
      if (!isOwn(principal, grant)) {
        throw new StarlingError(
          'STARLING_CALL_REFUSED',
          `${nameOf(principal)} does not hold grant ${grant.claims.jti}`,
          { hint: 'its holder can give it back, and the operator can revoke it' },
        );
      }
      const said = input.reason ?? '';
      const given = said === '' ? GIVEN_BACK : `${GIVEN_BACK}: ${said}`;
      const reason = principal.kind === 'operator' ? input.reason : given;
      await grants.revoke(grant.claims.jti, reason);
      return { revoked: true, id: grant.claims.jti };
    },
  });
}

function validate(
  components: PermissionComponents,
  principal: Principal,
  token: string,
): ValidateTokenResult {
  const { grants, clock } = components;
  let chain: readonly Grant[];
  try {
    chain = isToken(token) ? parseAll(token) : [findOwn(components, principal, token)];
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    return { valid: false, rule: 'malformed', reason: messageOf(error) };
  }
  const [leaf] = chain;
  if (leaf === undefined) return { valid: false, rule: 'malformed', reason: 'it is empty' };
  const known = new Map([...grants.chainOf(leaf), ...chain].map((it) => [it.hash, it]));
  const verdict = verifyChain(leaf, {
    find: (hash) => known.get(hash),
    nowMs: clock.now(),
    isRevoked: (grant, mayRevoke) => grants.isRevoked(grant, mayRevoke),
  });
  if (verdict.ok) return { valid: true, grant: viewOf(leaf) };
  const { refusal } = verdict;
  return {
    valid: false,
    rule: refusal.rule,
    reason: describeRefusal(refusal),
    grant: viewOf(leaf),
  };
}

/** The grant that a token or an id names. @throws STARLING_GRANT_MALFORMED, STARLING_GRANT_UNKNOWN */
function named(
  components: Pick<PermissionComponents, 'grants'>,
  principal: Principal,
  token: string,
): Grant {
  if (!isToken(token)) return findOwn(components, principal, token);
  const [leaf] = parseAll(token);
  if (leaf === undefined) throw new StarlingError('STARLING_GRANT_MALFORMED', 'the token is empty');
  return leaf;
}

/** To a stranger, a grant of somebody else's is no grant at all. */
function findOwn(
  { grants }: Pick<PermissionComponents, 'grants'>,
  principal: Principal,
  id: string,
): Grant {
  if (principal.kind === 'operator') return grants.find(id);
  const own = grants.issued().filter((grant) => isOwn(principal, grant));
  const meant = meantById(id, own, ({ claims }) => claims.jti);
  if ('found' in meant) return meant.found;
  throw new StarlingError('STARLING_GRANT_UNKNOWN', noSuchId(id, meant.why, 'grant of yours'), {
    hint: 'see yours: the resource grants://active of the server starling',
  });
}

function isToken(text: string): boolean {
  return text.includes('.');
}

function parseAll(text: string): readonly Grant[] {
  const tokens = text.split(/[\s,]+/u).filter((part) => part !== '');
  if (tokens.length > TOKENS_MAX) {
    throw new StarlingError('STARLING_LIMIT_EXCEEDED', `more than ${TOKENS_MAX} grants at once`);
  }
  return tokens.map(parseGrant);
}

function isOwn(principal: Principal, { claims }: Grant): boolean {
  return principal.kind === 'operator' || claims.aud === didOf(principal);
}

function didOf(principal: Principal): Did | undefined {
  return 'did' in principal ? principal.did : undefined;
}

function viewOf({ claims }: Grant): TokenView {
  return {
    id: claims.jti,
    issuer: claims.iss,
    holder: claims.aud,
    owner: claims.sub,
    capabilities: claims.cap,
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
  };
}
