/** Grants as tokens, for any agent: is it good, give it up; and the active ones as a resource. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { inspectGrants, judge, parseGrant } from '../grants/index.ts';
import type { Counters, Grant, GrantBook } from '../grants/index.ts';
import type { BuiltinContext, BuiltinTool } from '../gateway/index.ts';
import type { Membership } from '../membership/index.ts';
import { contextOf } from './grant-chain.ts';
import { summarise } from './grant-words.ts';
import { defineTool } from './tool.ts';
import type { RevokeTokenResult, ValidateTokenResult } from './types.ts';

/** What the token tools need. */
export interface TokenComponents {
  readonly clock: Clock;
  readonly grants: GrantBook;
  readonly counters: Pick<Counters, 'taken'>;
  readonly membership: Pick<Membership, 'peers'>;
}

const token = z.string().min(1).max(8192).describe('The grant as compact JWS.');

/** `validate_token` and `revoke_token`: for whoever is granted them. */
export function tokenTools(components: TokenComponents): readonly BuiltinTool[] {
  return [validateTool(components), revokeTool(components)];
}

/** The text of the resource `grants://active`: the grants that this node gave and that hold, as JSON. */
export function activeGrants(components: TokenComponents): string {
  const grants = components.grants
    .issued()
    .map((grant) => summarise(components, grant, 'issued'))
    .filter(({ state }) => state === 'valid')
    .sort((a, b) => b.issuedAt - a.issuedAt);
  return JSON.stringify({ grants }, null, 2);
}

function validateTool(components: TokenComponents): BuiltinTool {
  return defineTool({
    name: 'validate_token',
    title: 'Validate a grant',
    description:
      'Says whether a grant holds now and what it allows, or exactly which rule fails; with `resource` and `ability`, also whether it covers that.',
    input: z.object({
      token,
      parents: z
        .array(token)
        .max(63)
        .optional()
        .describe('What it stands on, where this node may not have it.'),
      resource: z.string().max(512).optional().describe('E.g. `tool:files/read_file`.'),
      ability: z.string().max(64).optional().describe('Default `tool/call`.'),
    }),
    hints: { readOnlyHint: true },
    operatorOnly: false,
    run(input): ValidateTokenResult {
      const leaf = tryParse(input.token);
      const inspected = inspectGrants(
        [input.token, ...(input.parents ?? [])],
        contextOf(components, leaf),
      );
      const chain = inspected.chains.find((one) => one.links[0]?.hash === leaf?.hash);
      if (leaf === undefined || chain === undefined) {
        const [refusal] = inspected.refused;
        return {
          valid: false,
          rule: refusal?.rule ?? 'format',
          reason: refusal?.text ?? 'it is no grant',
        };
      }
      const { valid, rule, reason } = coverage(chain, leaf, input);
      return {
        valid,
        ...(rule === undefined ? {} : { rule }),
        ...(reason === undefined ? {} : { reason }),
        owner: chain.owner,
        holder: chain.holder,
        expiresAt: Math.min(...chain.links.map(({ endsAt }) => endsAt)),
        allows: chain.links[0]?.allows ?? [],
      };
    },
  });
}

interface Asked {
  readonly resource?: string | undefined;
  readonly ability?: string | undefined;
}

type Coverage = Pick<ValidateTokenResult, 'valid' | 'rule' | 'reason'>;

function coverage(chain: Coverage, leaf: Grant, { resource, ability }: Asked): Coverage {
  if (!chain.valid || resource === undefined) return chain;
  const answer = judge([leaf], { resource, ability: ability ?? 'tool/call' }, undefined, 0);
  if (!('allow' in answer) || answer.allow) return chain;
  return { valid: false, rule: answer.refusal.rule, reason: answer.refusal.text };
}

function revokeTool(components: TokenComponents): BuiltinTool {
  return defineTool({
    name: 'revoke_token',
    title: 'Revoke a grant',
    description:
      'Ends a grant of this node at once. Its holder may give it up by showing it; the operator may end any, by its id as well.',
    input: z.object({ token, reason: z.string().max(500).optional() }),
    hints: { destructiveHint: true, idempotentHint: true },
    operatorOnly: false,
    async run(input, context): Promise<RevokeTokenResult> {
      const { jti } = revocable(components, input.token, context).claims;
      await components.grants.revoke(jti, input.reason);
      return { revoked: jti };
    },
  });
}

/** The grant that the caller may revoke. @throws STARLING_GRANT_UNKNOWN, STARLING_CALL_REFUSED */
function revocable(
  { grants }: TokenComponents,
  text: string,
  { principal }: BuiltinContext,
): Grant {
  const shown = tryParse(text);
  const isOperator = principal.kind === 'operator';
  if (isOperator && shown === undefined) return grants.find(text);
  const isHolder =
    (principal.kind === 'peer' || principal.kind === 'agent') &&
    shown?.claims.aud === principal.did;
  const ours = shown === undefined ? undefined : tryFind(grants, shown);
  if (ours !== undefined && (isOperator || isHolder)) return ours;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    isOperator ? 'this node did not issue the grant' : 'only its holder may give a grant up',
    {
      hint: 'show the node that issued it the grant itself, as the one whom it is for',
      data: { rule: isOperator ? 'issuer' : 'audience' },
    },
  );
}

/** What we issued under the id of `shown`, if it is the same grant: ids can be made up by anybody. */
function tryFind(grants: GrantBook, { claims }: Grant): Grant | undefined {
  const { iss, aud, jti } = claims;
  return grants
    .issued()
    .find((one) => one.claims.jti === jti && one.claims.iss === iss && one.claims.aud === aud);
}

function tryParse(text: string): Grant | undefined {
  try {
    return parseGrant(text);
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}
