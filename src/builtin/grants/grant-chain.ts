/** The tools that show chains of grants, check them, hand them on, and carry them by hand. */
import { z } from 'zod';
import { ID_PART_WORDS, StarlingError, shownName } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { RENEWED_LIFETIME_MS, explainChain, inspectGrants } from '../../grants/index.ts';
import type { Grant, GrantBook, InspectionContext } from '../../grants/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { BudgetsHere } from './grant-input.ts';
import { CONDITIONS, WHAT, audienceOf, capabilitiesOf, caveatsOf, seconds } from './grant-input.ts';
import { withoutOwner } from './grant-names.ts';
import type { OfferView } from './grant-remarks.ts';
import { summarise } from './grant-summary.ts';
import type { SummaryComponents } from './grant-summary.ts';
import type {
  GrantCreateResult,
  GrantExportResult,
  GrantImportResult,
  GrantShowResult,
  GrantVerifyResult,
} from '../results.ts';
import { defineTool } from '../../gateway/index.ts';

/** What the chain tools need. */
export interface ChainComponents extends SummaryComponents {
  readonly clock: Clock;
  readonly grants: GrantBook;
  readonly budgets: BudgetsHere & SummaryComponents['budgets'];
  readonly membership: Pick<Membership, 'resolve' | 'peer' | 'peers'>;
  /** What this node calls itself. */
  readonly self: { readonly name: string };
  /** The servers of this node, to say when a grant names none of them. */
  readonly offers: OfferView;
}

const id = z.string().min(1).max(64).describe(`Id of the grant, ${ID_PART_WORDS}.`);
const tokens = z
  .array(z.string().min(1).max(8192))
  .min(1)
  .max(64)
  .describe('Grants as compact JWS, with all that they stand on, in any order.');

/** `grant_show`, `grant_verify`, `grant_delegate`, `grant_import` and `grant_export`. */
export function chainTools(components: ChainComponents): readonly BuiltinTool[] {
  return [
    showTool(components),
    verifyTool(components),
    delegateTool(components),
    importTool(components),
    exportTool(components),
  ];
}

/** What chains are judged by here: what this node has and knows to be revoked, at this moment. */
export function contextOf(
  { grants, clock }: Pick<ChainComponents, 'grants' | 'clock'>,
  leaf?: Grant,
): InspectionContext {
  const known = new Map(
    (leaf === undefined ? [] : grants.chainOf(leaf)).map((link) => [link.hash, link]),
  );
  return {
    nowMs: clock.now(),
    find: (hash) => known.get(hash),
    isRevoked: (grant, mayRevoke) => grants.isRevoked(grant, mayRevoke),
    successions: grants.successions,
  };
}

/** Whether a grant is one that we gave or got. */
export function directionOf(
  { grants }: Pick<ChainComponents, 'grants'>,
  grant: Grant,
): 'issued' | 'received' {
  return grants.issued().some(({ hash }) => hash === grant.hash) ? 'issued' : 'received';
}

function showTool(components: ChainComponents): BuiltinTool {
  const { grants, membership } = components;
  return defineTool({
    name: 'grant_show',
    title: 'Show a grant and its chain',
    description:
      'One grant that this node gave or got, with all that it stands on: who gave what to whom, what each link narrows, when it ends, and whether it holds.',
    input: z.object({ id }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run(input): GrantShowResult {
      const grant = grants.find(input.id);
      const chain = explainChain(grant, contextOf(components, grant));
      const dids = new Set<Did>(chain.links.flatMap((link) => [link.issuer, link.audience]));
      const direction = directionOf(components, grant);
      // Whoever gave the one and has the other is this node.
      const own = direction === 'issued' ? grant.claims.iss : grant.claims.aud;
      const names = [...dids].flatMap((did) => {
        if (did === own) return [[did, components.self.name] as const];
        const peer = membership.peer(peerIdFromDid(did));
        return peer === undefined ? [] : [[did, shownName(peer)] as const];
      });
      return {
        ...chain,
        grant: summarise(components, grant, direction),
        names: Object.fromEntries(names),
      };
    },
  });
}

function verifyTool(components: ChainComponents): BuiltinTool {
  return defineTool({
    name: 'grant_verify',
    title: 'Verify grants',
    description:
      'Says of grants given as text whether they hold, or exactly which rule fails; what this node knows to be revoked counts.',
    input: z.object({ tokens }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: (input): GrantVerifyResult => inspectGrants(input.tokens, contextOf(components)),
  });
}

function delegateTool(components: ChainComponents): BuiltinTool {
  const { grants, clock, membership } = components;
  return defineTool({
    name: 'grant_delegate',
    title: 'Hand a grant on',
    description:
      'Gives what this node received, or a part of it, to a peer or an agent. It can only be narrower, and ends with what it stands on.',
    input: z.object({
      id,
      peer: z.string().min(1).describe('Alias, PeerId or did:key of who gets it.'),
      ...WHAT,
      ...CONDITIONS,
      expires_s: seconds('Lifetime in seconds. Default: as long as the grant that it stands on.'),
    }),
    hints: { destructiveHint: false },
    clients: 'no',
    async run(given): Promise<GrantCreateResult> {
      const input = withoutOwner(given, ...ownerOf(components, given.id));
      const { tools, resources, prompts, servers } = input;
      const named = [tools, resources, prompts, servers].some((some) => some !== undefined);
      const wanted = named ? capabilitiesOf(input).map(({ resource }) => resource) : undefined;
      const grant = await grants.delegate({
        parent: input.id,
        aud: audienceOf(membership, input.peer),
        ...(wanted === undefined ? {} : { resources: [...new Set(wanted)] }),
        caveats: caveatsOf(input, components.budgets, 'any'),
        ...(input.max_depth === undefined ? {} : { maxDepth: input.max_depth }),
        ...(input.expires_s === undefined
          ? { renewForMs: RENEWED_LIFETIME_MS }
          : { expiresAtMs: clock.now() + input.expires_s * 1000 }),
      });
      return { grant: summarise(components, grant, 'issued'), jws: grant.jws };
    },
  });
}

/** The name of the peer whose things a grant is on, and the servers that the grant names. */
function ownerOf(
  { grants, membership }: ChainComponents,
  ref: string,
): readonly [owner: string | undefined, servers: readonly string[]] {
  const { cap, sub } = grants.find(ref).claims;
  const servers = cap.map(({ resource }) => /^[a-z]+:([^/]+)/.exec(resource)?.[1] ?? '');
  return [membership.peer(peerIdFromDid(sub))?.alias, servers];
}

function importTool(components: ChainComponents): BuiltinTool {
  const { grants } = components;
  return defineTool({
    name: 'grant_import',
    title: 'Import grants',
    description: 'Keeps grants for this node that came by hand, with all that they stand on.',
    input: z.object({ tokens }),
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'no',
    async run(input): Promise<GrantImportResult> {
      const refused = await grants.receive(input.tokens);
      const given = new Set(input.tokens);
      const imported = grants.received().filter(({ jws }) => given.has(jws));
      return {
        imported: imported.map((grant) => summarise(components, grant, 'received')),
        refused,
      };
    },
  });
}

function exportTool(components: ChainComponents): BuiltinTool {
  const { grants } = components;
  return defineTool({
    name: 'grant_export',
    title: 'Export a grant',
    description:
      'A grant as text with all that it stands on, to be imported by its holder. It is of no use to anybody else.',
    input: z.object({ id }),
    hints: { readOnlyHint: true },
    clients: 'no',
    // What it gives is for another node: in a browser it has no use.
    dashboard: false,
    run(input): GrantExportResult {
      const grant = grants.find(input.id);
      const chain = grants.chainOf(grant);
      const have = new Set(chain.map(({ hash }) => hash));
      if (chain.some(({ claims }) => (claims.prf ?? []).some((hash) => !have.has(hash)))) {
        throw new StarlingError(
          'STARLING_GRANT_INVALID',
          `this node does not have all that grant ${grant.claims.jti.slice(0, 8)} stands on`,
          { hint: 'export it on the node of its holder' },
        );
      }
      return {
        grant: summarise(components, grant, directionOf(components, grant)),
        tokens: chain.map(({ jws }) => jws),
      };
    },
  });
}
