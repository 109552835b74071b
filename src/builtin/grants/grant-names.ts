/**
 * What a grant names, as grants write it: people copy names from lists and messages, which put the node before
 * the server (`workstation/files/read`, `workstation__files__read`). Pure.
 */
import { StarlingError, printable } from '../../core/index.ts';
import type { Granted } from './grant-input.ts';
import type { OfferView } from './grant-remarks.ts';

/** Who and what is here, as far as names tell it. */
export interface NamesHere {
  readonly offers: OfferView;
  /** What this node calls itself, and what its peers call it. */
  readonly selves: readonly string[];
  /** True for the name of a peer. */
  isPeer(name: string): boolean;
}

/** As the options of `starling grant create` call them. */
type Kind = 'tool' | 'resource' | 'prompt' | 'server';

/** Between the parts of a name in lists of tools, and in grants. */
const LISTED = '__';
const GRANTED = '/';
/** What a shell takes as one word, in quotes or not. */
const PLAIN = /^[\w.*/-]+$/;

/**
 * `granted` with each thing that is written as lists and messages show it as grants write it: `files/read`. What
 * nobody here goes by stays as it is. @throws STARLING_USAGE for a thing of a peer, which that peer grants
 */
export function asGrantsWrite<Some extends Granted>(granted: Some, here: NamesHere): Some {
  return inAll(granted, (one, kind) => {
    if (kind === 'resource' || kind === 'server') return withoutNode(one, here, kind);
    requireServer(one, here, kind);
    return withoutNode(fromList(one, here, kind), here, kind);
  });
}

/** The same of what is handed on: `owner` is the peer whose things they are. */
export function withoutOwner<Some extends Granted>(
  granted: Some,
  owner: string | undefined,
  servers: readonly string[],
): Some {
  if (owner === undefined || servers.includes(owner)) return granted;
  return inAll(granted, (one) => {
    const [first, rest] = splitOnce(one, one.includes(GRANTED) ? GRANTED : LISTED);
    if (first !== owner || rest === undefined) return one;
    return one.includes(GRANTED) ? rest : rest.replace(LISTED, GRANTED);
  });
}

function inAll<Some extends Granted>(
  granted: Some,
  write: (one: string, kind: Kind) => string,
): Some {
  const { tools, resources, prompts, servers } = granted;
  const all = (some: readonly string[], kind: Kind): readonly string[] =>
    some.map((one) => write(one, kind));
  return {
    ...granted,
    ...(tools === undefined ? {} : { tools: all(tools, 'tool') }),
    ...(prompts === undefined ? {} : { prompts: all(prompts, 'prompt') }),
    ...(resources === undefined ? {} : { resources: all(resources, 'resource') }),
    ...(servers === undefined ? {} : { servers: all(servers, 'server') }),
  };
}

/** `files/read` for `files__read` or `workstation__files__read`, where a server here lists it. */
function fromList(one: string, here: NamesHere, kind: 'tool' | 'prompt'): string {
  if (one.includes(GRANTED) || !one.includes(LISTED)) return one;
  const [first, rest = ''] = splitOnce(one, LISTED);
  const servers = serversOf(here);
  if (!servers.includes(first) && here.isPeer(first)) {
    throw ofPeer(one, first, rest.replace(LISTED, GRANTED), kind);
  }
  const found = offered(here, kind).find(({ server, name }) => {
    const listed = server + LISTED + name;
    return one === listed || here.selves.some((self) => one === self + LISTED + listed);
  });
  return found === undefined ? one : `${found.server}${GRANTED}${found.name}`;
}

/** The tools or prompts of the servers here. */
function offered(
  { offers }: NamesHere,
  kind: 'tool' | 'prompt',
): readonly { readonly server: string; readonly name: string }[] {
  return offers
    .all()
    .flatMap((upstream) =>
      upstream.catalog()[`${kind}s`].map(({ name }) => ({ server: upstream.server, name })),
    );
}

/** A name alone may be at several servers: who means one says at which. @throws STARLING_USAGE */
function requireServer(one: string, here: NamesHere, kind: 'tool' | 'prompt'): void {
  if (one.includes(GRANTED) || one.includes(LISTED) || serversOf(here).includes(one)) return;
  const found = offered(here, kind).filter(({ name }) => name === one);
  if (found.length === 0) return;
  const meant = found.map(({ server, name }) => server + GRANTED + name);
  throw new StarlingError('STARLING_USAGE', `'${printable(one)}' does not say at which server`, {
    hint: `did you mean ${meant.join(' or ')}?`,
  });
}

/** `files/read` for `workstation/files/read`. */
function withoutNode(one: string, here: NamesHere, kind: Kind): string {
  const [head, rest] = splitOnce(one, GRANTED);
  // As agents write a peer: @laptop/files/read.
  const first = head.replace(/^@/, '');
  if (rest === undefined || serversOf(here).includes(first)) return one;
  if (here.selves.includes(first)) return rest;
  if (here.isPeer(first)) throw ofPeer(one, first, rest, kind);
  return one;
}

function serversOf({ offers }: NamesHere): readonly string[] {
  return offers.all().map(({ server }) => server);
}

function splitOnce(text: string, mark: string): readonly [first: string, rest: string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}

/** A node grants what is its own; what a peer let it use, it can hand on. */
function ofPeer(one: string, peer: string, rest: string, kind: Kind): StarlingError {
  const what = PLAIN.test(rest) ? `'${rest}'` : '<pattern>';
  return new StarlingError(
    'STARLING_USAGE',
    `'${printable(one)}' is at ${peer}, and only ${peer} can grant it`,
    {
      hint: `on ${peer}: starling grant create <peer> --${kind} ${what}; or hand on what ${peer} lets this node use: starling grant delegate <id> <peer>`,
    },
  );
}
