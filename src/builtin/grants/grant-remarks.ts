/** What a person should know of a grant that was just made: that it may mean nothing, or limit nothing. */
import { isDeepStrictEqual } from 'node:util';
import { isObject, limitsText, nearest, printable, rightText } from '../../core/index.ts';
import type { ListedTool } from '../../directory/index.ts';
import type { Upstream } from '../../gateway/index.ts';
import { matchResource, toolResource, withoutLimitOf } from '../../grants/index.ts';
import type { Counters, Grant, GrantBook } from '../../grants/index.ts';
import type { Granted } from './grant-input.ts';

/** What this node offers: its servers, and their tools as far as they are known. */
export interface OfferView {
  readonly all: () => readonly Pick<Upstream, 'server' | 'status' | 'catalog'>[];
}

/** Tools that one sentence names. */
const NAMED_MAX = 4;
/** Servers whose list of tools is known. */
const LISTED: readonly string[] = ['ready', 'idle'];

/** Sentences about servers and tools that `granted` names and this node does not have. */
export function absentIn(granted: Granted, offers: OfferView): readonly string[] {
  const upstreams = offers.all();
  const names = upstreams.map(({ server }) => server);
  const { tools = [], resources = [], prompts = [], servers = [] } = granted;
  const named = [...tools, ...resources, ...prompts].map(
    (pattern) => pattern.split('/', 1)[0] ?? '',
  );
  const missing = new Set(
    [...servers, ...named].filter((server) => !server.includes('*') && !names.includes(server)),
  );
  const absent = [...missing].map(
    (server) =>
      `no server here is called '${printable(server)}'${meant(server, names)}: that part of the grant counts once there is one`,
  );
  return [...absent, ...tools.flatMap((pattern) => absentTool(pattern, upstreams))];
}

function absentTool(
  pattern: string,
  upstreams: readonly Pick<Upstream, 'server' | 'status' | 'catalog'>[],
): readonly string[] {
  const [server = '', ...rest] = pattern.split('/');
  const upstream = upstreams.find((one) => one.server === server);
  if (upstream === undefined || !LISTED.includes(upstream.status().state)) return [];
  const tools = upstream.catalog().tools.map(({ name }) => name);
  if (tools.some((tool) => matchResource(`tool:${pattern}`, toolResource(server, tool)))) return [];
  const tool = rest.join('/');
  const what = tool.includes('*')
    ? `no tool of ${server} fits '${printable(tool)}'`
    : `${server} has no tool '${printable(tool)}'${meant(tool, tools)}`;
  return [`${what}: that part of the grant counts once there is one`];
}

function meant(word: string, known: readonly string[]): string {
  const found = nearest(word, known);
  return found === undefined ? '' : ` (did you mean '${printable(found)}'?)`;
}

/** Sentences about arguments that `granted` binds and that tools which it covers do not take. */
export function absentArguments(
  { tools = [], servers = [], args = {} }: Granted & { readonly args?: object | undefined },
  offers: OfferView,
): readonly string[] {
  const patterns = [...tools, ...servers.map((server) => `${server}/*`)];
  const sentences = patterns.flatMap((pattern) => {
    const [server = ''] = pattern.split('/', 1);
    const upstream = offers.all().find((one) => one.server === server);
    const covered = (upstream?.catalog().tools ?? []).filter(({ name }) =>
      matchResource(`tool:${pattern}`, toolResource(server, name)),
    );
    return Object.keys(args).flatMap((name) => lackOf(name, server, covered));
  });
  return [...new Set(sentences)];
}

/** A sentence about those of `tools` that do not take the argument `name`. */
function lackOf(name: string, server: string, tools: readonly ListedTool[]): readonly string[] {
  const lacking = tools.filter((tool) => {
    const known = argumentsOf(tool);
    // A tool that says nothing of its arguments may take any.
    return known.length > 0 && !known.includes(name);
  });
  const [first, ...others] = lacking;
  if (first === undefined) return [];
  const shown = `argument '${printable(name)}'`;
  if (others.length === 0) {
    const near = meant(name, argumentsOf(first));
    return [
      `${printable(first.name)} of ${server} has no ${shown}${near}: no call of it fits the grant`,
    ];
  }
  const names = lacking.slice(0, NAMED_MAX).map((tool) => printable(tool.name));
  const more = lacking.length - names.length;
  const which = more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
  return [`${which} of ${server} have no ${shown}: no call of them fits the grant`];
}

function argumentsOf(tool: ListedTool): readonly string[] {
  const schema = tool['inputSchema'];
  const properties = isObject(schema) ? schema['properties'] : undefined;
  return isObject(properties) ? Object.keys(properties) : [];
}

/** A sentence where the holder of `grant` has just the same by another one, until that ends as well. */
export function sameAs(
  grant: Grant,
  grants: Pick<GrantBook, 'issued' | 'renewable' | 'state'>,
): readonly string[] {
  const renewed = new Set(grants.renewable().map(({ grant: { hash } }) => hash));
  const same = grants
    .issued()
    .filter(
      (one) =>
        one.hash !== grant.hash &&
        one.claims.aud === grant.claims.aud &&
        isDeepStrictEqual(one.claims.cap, grant.claims.cap) &&
        renewed.has(one.hash) &&
        renewed.has(grant.hash) &&
        grants.state(one) === 'valid',
    );
  return same.map(
    ({ claims }) =>
      `the holder has the same already by grant ${claims.jti.slice(0, 8)}: what it may ends only with both`,
  );
}

/** Sentences about grants by which the holder of `grant` may do the same without its limits. */
export function unlimitedBy(
  grant: Grant,
  grants: Pick<GrantBook, 'issued' | 'renewable' | 'state'>,
  counters: Pick<Counters, 'taken'>,
): readonly string[] {
  const renewed = new Set(grants.renewable().map(({ grant: { hash } }) => hash));
  // What is used up lets nobody do anything.
  const isLeft = (one: Grant, index: number): boolean => {
    const uses = one.claims.cap[index]?.caveats?.['uses'];
    return typeof uses !== 'number' || counters.taken(one, index) < uses;
  };
  const rightOf = (one: Grant): Parameters<typeof withoutLimitOf>[0] => ({
    capabilities: one.claims.cap.filter((_, index) => isLeft(one, index)),
    endsAtMs: renewed.has(one.hash) ? Infinity : one.claims.exp * 1000,
  });
  return grants
    .issued()
    .filter(
      (one) =>
        one.hash !== grant.hash &&
        one.claims.aud === grant.claims.aud &&
        one.claims.sub === grant.claims.sub &&
        grants.state(one) === 'valid',
    )
    .flatMap((one) => {
      const had = withoutLimitOf(rightOf(grant), rightOf(one));
      if (had === undefined) return [];
      const id = one.claims.jti.slice(0, 8);
      return [
        `the holder may ${printable(rightText(had.ability, had.resource))}${limitsText(had.caveats)} without the new limits already, by grant ${id}; end that one with: starling grant revoke ${id}`,
      ];
    });
}
