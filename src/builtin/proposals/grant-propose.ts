/**
 * `grant_propose`: what a person says in plain words, as a grant that a model proposes. The form is closed, only what is here can
 * be named in it, and nothing is granted: a person sees our words for it, and makes it by `grant_create`.
 */
import { z } from 'zod';
import { BUILTIN_SERVER, StarlingError, messageOf, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Membership } from '../../membership/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Models } from '../../models/index.ts';
import { CONDITIONS, capabilitiesOf, caveatsOf, conditioned } from '../grants/grant-input.ts';
import type { BudgetsHere } from '../grants/grant-input.ts';
import { absentIn } from '../grants/grant-remarks.ts';
import type { OfferView } from '../grants/grant-remarks.ts';
import type { GrantProposeResult } from '../results.ts';
import { askClosed, unusable } from './closed-question.ts';
import type { AskingComponents } from './closed-question.ts';
import { grantLines } from './grant-words.ts';

/** Tools and peers that the model is told of. */
const NAMES_MAX = 400;
const TEXT_MAX = 2000;
const PATTERNS_MAX = 16;
const WORDS = /^[\x21-\x7e]{1,256}$/;
const EXPIRES_MAX_MS = 3650 * 86_400_000;

const SYSTEM = [
  'You turn one sentence of an administrator into one permission.',
  'Answer with one JSON object and nothing else. Its fields, all optional but `peer`:',
  '`peer`: who gets it, one of `peers`.',
  '`tools`: list of "<server>/<tool>", `*` as wildcard, of `tools` alone; `servers`: servers of which everything is meant;',
  '`prompts`: list of "<server>/<prompt>"; `resources`: list of "<server>/<uri>"; `models`: list of "<provider>/<model>".',
  '`args`: what named arguments must be: {"path": {"paths": ["/srv/docs/**"]}}, {"mode": {"const": "fast"}}.',
  '`uses`: how many calls in all. `rate`: {"per_s", "burst"}. `hours`: {"from": "09:00", "to": "17:00", "days": ["mon"], "zone"}.',
  '`approval`: "required" where a person must agree to each call. `until`: when it ends, as 2026-01-31T17:00:00Z.',
  'Give the least that the sentence asks for. If it asks for no permission, or is unclear, answer {"unclear": true}.',
].join('\n');

const patterns = z.array(z.string().regex(WORDS)).max(PATTERNS_MAX).optional();
const { budget: _budget, max_depth: _depth, ...BOUNDS } = CONDITIONS;
const proposed = z.strictObject({
  peer: z.string().regex(WORDS),
  tools: patterns,
  resources: patterns,
  prompts: patterns,
  servers: patterns,
  models: patterns,
  ...BOUNDS,
  until: z.iso.datetime({ offset: true }).optional(),
});
const answerForm = z.union([z.strictObject({ unclear: z.literal(true) }), proposed]);

type Proposed = z.infer<typeof proposed>;

/** What proposing works with. */
export interface GrantProposeComponents extends AskingComponents {
  readonly models: Pick<Models, 'ask' | 'list' | 'providers'>;
  readonly membership: Pick<Membership, 'find' | 'peers' | 'resolve'>;
  readonly offers: OfferView;
  readonly budgets: BudgetsHere;
}

/** One sentence of a person as a grant that can be looked at; see the head of this file. */
export function grantProposeTool(components: GrantProposeComponents): BuiltinTool {
  return defineTool({
    name: 'grant_propose',
    title: 'Propose a grant',
    description:
      'Has a language model turn one sentence into a grant, and says in our words what that would give. Nothing is granted: grant_create makes it.',
    input: z.object({
      text: z.string().min(1).max(TEXT_MAX).describe('Who is to get what, in plain words.'),
      model: z.string().min(1).max(300).optional().describe('Default: the first of this node.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    waits: true,
    async run({ text, model: named }, { principal, signal }): Promise<GrantProposeResult> {
      const { answer, model } = await askClosed(components, {
        system: SYSTEM,
        question: text,
        data: knownHere(components),
        form: answerForm,
        model: named,
        principal,
        signal,
      });
      if ('unclear' in answer) throw unusable(model, 'is nothing: it can make no grant of that');
      return { ...checked(components, answer, model), model };
    },
  });
}

/** What the model may name. */
function knownHere({ membership, offers, models, clock }: GrantProposeComponents): JsonObject {
  const servers = serversIn(offers);
  return {
    now: new Date(clock.now()).toISOString(),
    peers: membership
      .peers()
      .map(({ alias }) => alias)
      .slice(0, NAMES_MAX),
    servers: servers.map(({ server }) => server).slice(0, NAMES_MAX),
    tools: servers
      .flatMap((one) => one.catalog().tools.map(({ name }) => `${one.server}/${name}`))
      .slice(0, NAMES_MAX),
    providers: models.providers().map(({ name }) => name),
  };
}

/** The tools of the node itself are nobody's by a sentence. */
function serversIn(offers: OfferView): ReturnType<OfferView['all']> {
  return offers.all().filter(({ server }) => server !== BUILTIN_SERVER);
}

/** The proposal as `grant_create` takes it, and in words. @throws STARLING_MODEL_INVALID where it names what is not here */
function checked(
  components: GrantProposeComponents,
  { until, ...said }: Proposed,
  model: string,
): Omit<GrantProposeResult, 'model'> {
  const { budgets, clock, membership } = components;
  const named = membership.find(said.peer);
  if (named?.alias !== said.peer)
    throw unusable(model, `is for '${said.peer}', and no peer is called so`);
  requireKnown(components, said, model);
  const endsAtMs = until === undefined ? undefined : Date.parse(until);
  const lifetimeMs = endsAtMs === undefined ? undefined : endsAtMs - clock.now();
  if (lifetimeMs !== undefined && !(lifetimeMs >= 1000 && lifetimeMs <= EXPIRES_MAX_MS)) {
    throw unusable(model, `ends at ${String(until)}, which is no time for it`);
  }
  const caveats = attempt(model, () => caveatsOf(said, budgets, 'own'));
  const capabilities = attempt(model, () => capabilitiesOf(said)).map((one) =>
    conditioned(one, caveats),
  );
  return {
    grant: JSON.parse(JSON.stringify(said)) as JsonObject,
    ...(endsAtMs === undefined ? {} : { until: endsAtMs }),
    lines: grantLines(said.peer, capabilities, endsAtMs),
  };
}

/** @throws STARLING_MODEL_INVALID for a server, tool or provider that is not here, or for all of them at once */
function requireKnown(
  { offers, models }: GrantProposeComponents,
  { tools = [], resources = [], prompts = [], servers = [], models: used = [], args }: Proposed,
  model: string,
): void {
  const known = serversIn(offers).map(({ server }) => server);
  const providers = models.providers().map(({ name }) => name);
  const partOf = (pattern: string): string => pattern.split('/', 1)[0] ?? '';
  const foreign = [...servers, ...[...tools, ...resources, ...prompts].map(partOf)].find(
    (server) => !known.includes(server),
  );
  if (foreign !== undefined) {
    throw unusable(model, `names the server '${printable(foreign, 64)}', which it may not`);
  }
  const provider = used.map(partOf).find((one) => !providers.includes(one));
  if (provider !== undefined) {
    throw unusable(model, `names the provider '${printable(provider, 64)}', which is not here`);
  }
  const [absent] = absentIn({ tools, resources, prompts, servers }, offers);
  if (absent !== undefined)
    throw unusable(model, `is for nothing: ${absent.split(':', 1)[0] ?? ''}`);
  if (args !== undefined && tools.length + prompts.length + servers.length === 0) {
    throw unusable(model, 'binds arguments of nothing that has some');
  }
}

function attempt<T>(model: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    throw unusable(model, `can't be granted: ${messageOf(error)}`);
  }
}
