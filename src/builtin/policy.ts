/** The tools that show the policy at work: does its file hold, and what would the guard say, and why. */
import { z } from 'zod';
import { StarlingError, printable } from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import { describeRefusal } from '../grants/index.ts';
import type { ApiKeys, BuiltinTool } from '../gateway/index.ts';
import { parseDid, peerIdFromDid } from '../identity/index.ts';
import { CLIENT_NAME, CLIENT_NAME_WORDS } from '../config/index.ts';
import { OPERATOR, attachedClient, policyRules } from '../guard/index.ts';
import type { ExplainingGuard, CurrentPolicy, Principal, WantedFacts } from '../guard/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { PolicyCheckResult, PolicyExplainResult, PolicyShowResult } from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** What the policy tools need. */
export interface PolicyComponents {
  readonly policy: Pick<CurrentPolicy, 'check' | 'current' | 'file'>;
  readonly guard: Pick<ExplainingGuard, 'explain'>;
  readonly membership: Pick<Membership, 'peer' | 'byAlias' | 'resolve'>;
  /** What this node calls itself. */
  readonly self: { readonly name: string };
  readonly keys: Pick<ApiKeys, 'list'>;
  /** What is known of a resource of this node. */
  facts(resource: string): WantedFacts | undefined;
}

const TEXT_MAX = 1024 * 1024;
/** Rules of one answer: a policy file of a person has some dozens. */
const RULES_MAX = 2000;
const ABILITY_DEFAULTS: Readonly<Record<string, string>> = {
  tool: 'tool/call',
  resource: 'resource/read',
  prompt: 'prompt/get',
};

/** `policy_show`, `policy_check` and `policy_explain`. */
export function policyTools(components: PolicyComponents): readonly BuiltinTool[] {
  return [checkTool(components), showTool(components), explainTool(components)];
}

function checkTool(components: PolicyComponents): BuiltinTool {
  return defineTool({
    name: 'policy_check',
    title: 'Check the policy file',
    description:
      'Reads the policy file, or the given text, without taking it up: what is wrong with it, or what would change.',
    input: z.object({
      text: z.string().max(TEXT_MAX).optional().describe('YAML to check in place of the file.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run(input): Promise<PolicyCheckResult> {
      const { policy } = components;
      return { file: policy.file, ...(await policy.check(input.text)) };
    },
  });
}

function showTool(components: PolicyComponents): BuiltinTool {
  return defineTool({
    name: 'policy_show',
    title: 'Show the policy',
    description:
      'The policy in force, key by key: first what the policy file says, then the shipped rest. Where the file can not be used, that is the one before.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'no',
    run(): PolicyShowResult {
      const { policy } = components;
      const all = policyRules(policy.current());
      const own = all.filter(({ isShipped }) => !isShipped);
      const rules = [...own, ...all.filter(({ isShipped }) => isShipped)];
      return { file: policy.file, rules: rules.slice(0, RULES_MAX), total: rules.length };
    },
  });
}

function explainTool(components: PolicyComponents): BuiltinTool {
  return defineTool({
    name: 'policy_explain',
    title: 'Explain a decision',
    description:
      'Says whether somebody may do something on this node, and by which grant, zone and rule. Nothing is used up.',
    input: z.object({
      as: z
        .string()
        .min(1)
        .max(256)
        .describe('operator, client:<name>, or the alias, PeerId or did:key of a peer or agent.'),
      for: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .describe('did:key of the agent, or name of the client, for whom the peer calls.'),
      do: z.string().max(64).optional().describe('Like tool/call; default by what it is on.'),
      on: z.string().min(1).max(512).describe('Like tool:files/read_file, or files/read_file.'),
      args: z.record(z.string(), z.unknown()).optional().describe('Arguments of the call.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run(input): PolicyExplainResult {
      const principal = onBehalf(principalOf(components, input.as), input.for);
      const resource = resourceOf(components, input.on);
      const scheme = resource.slice(0, resource.indexOf(':'));
      const ability = input.do ?? ABILITY_DEFAULTS[scheme];
      if (ability === undefined) {
        throw new StarlingError('STARLING_USAGE', `say what is done on ${printable(resource)}`, {
          hint: 'for example --do board/write',
        });
      }
      const facts = components.facts(resource);
      return explain(components, principal, {
        resource,
        ability,
        look: true,
        ...(input.args === undefined ? {} : { args: input.args as JsonObject }),
        ...(facts === undefined ? {} : { facts }),
      });
    },
  });
}

/**
 * `tool:files/read` for a tool as lists and messages show it: `files__read`, `workstation/files/read`; of a peer
 * `tool:@laptop/files/read`. @throws STARLING_USAGE for a name without a server
 */
function resourceOf(components: PolicyComponents, on: string): string {
  const isKnown = (tool: string): boolean => components.facts(`tool:${tool}`) !== undefined;
  if (/^[a-z]+:/.test(on)) return on;
  const path = on.includes('/') ? on : on.replaceAll('__', '/');
  if (!path.includes('/')) {
    throw new StarlingError('STARLING_USAGE', `'${printable(on)}' does not say at which server`, {
      hint: 'a tool is <server>/<tool>: starling tools; other things begin with what they are, like board:plan',
    });
  }
  const [first = '', ...rest] = path.split('/');
  const isWhole = rest.length < 2 || first.startsWith('@') || isKnown(path);
  if (isWhole) return `tool:${path}`;
  const within = rest.join('/');
  if (components.membership.byAlias(first) !== undefined) return `tool:@${first}/${within}`;
  return `tool:${isKnown(within) ? within : path}`;
}

function explain(
  { guard }: PolicyComponents,
  principal: Principal,
  wanted: Parameters<ExplainingGuard['explain']>[1],
): PolicyExplainResult {
  const { decision, who, steps } = guard.explain(principal, wanted);
  const { resource, ability } = wanted;
  const base = { who, resource, ability, steps };
  if (decision.allow) {
    const { grant } = decision;
    return { ...base, answer: 'yes', ...(grant === undefined ? {} : { grant: grant.claims.jti }) };
  }
  const { refusal, hint, asking, ask } = decision;
  const there = asking === undefined ? {} : { there: asking };
  const said = { reason: describeRefusal(refusal), hint, ...there };
  if (ask === undefined) return { ...base, answer: 'no', ...said };
  return {
    ...base,
    answer: 'ask',
    ...said,
    ...(ask.grant === undefined ? {} : { grant: ask.grant }),
  };
}

/** A peer that calls for somebody. @throws STARLING_USAGE for anybody else; STARLING_ID_MALFORMED */
function onBehalf(principal: Principal, whom: string | undefined): Principal {
  if (whom === undefined) return principal;
  if (principal.kind !== 'peer') {
    throw new StarlingError('STARLING_USAGE', 'only peers call on behalf of somebody', {
      hint: 'leave out --for, or name a peer with --as: starling peers',
    });
  }
  const isAgent = whom.startsWith('did:');
  return { ...principal, onBehalfOf: isAgent ? { did: parseDid(whom) } : { name: whom } };
}

/** Whom `name` means. @throws STARLING_PEER_UNKNOWN, STARLING_PEER_AMBIGUOUS; STARLING_USAGE for this node itself */
function principalOf({ membership, keys, self }: PolicyComponents, name: string): Principal {
  if (name === 'operator') return OPERATOR;
  const client = /^client:(.+)$/su.exec(name)?.[1];
  if (client !== undefined) {
    const key = keys.list().find((one) => one.name === client);
    if (key !== undefined) return { kind: 'client', name: key.name, scopes: key.scopes };
    if (CLIENT_NAME.test(client)) return attachedClient(client);
    throw new StarlingError('STARLING_PEER_UNKNOWN', `no client is called '${printable(client)}'`, {
      hint: `a client's name is ${CLIENT_NAME_WORDS}`,
    });
  }
  const reference = name.replace(/^peer:/, '');
  if (reference === self.name && membership.byAlias(reference) === undefined) {
    throw new StarlingError('STARLING_USAGE', `${printable(reference)} is this node itself`, {
      hint: 'who sits at this node may do all that it may: --as operator',
    });
  }
  if (!reference.startsWith('did:key:')) {
    // By any name that lists show: the one that a peer has taken, or the end of its id.
    return asPrincipal(membership.resolve(reference));
  }
  const did = parseDid(reference);
  const peer = membership.peer(peerIdFromDid(did));
  return peer === undefined ? { kind: 'agent', did, name: 'agent' } : asPrincipal(peer);
}

function asPrincipal({ peerId, did, alias, newName }: PeerView): Principal {
  return { kind: 'peer', peerId, did, alias, ...(newName === undefined ? {} : { newName }) };
}
