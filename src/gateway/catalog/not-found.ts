/** What a caller is told whose name leads nowhere: to nothing that exists, or to a peer that is away. */
import { StarlingError, nearest, printable } from '../../core/index.ts';
import type { ItemKind } from '../../directory/index.ts';
import type { PeerView } from '../../membership/index.ts';
import type { UpstreamStatus } from '../types.ts';
import { RPC } from '../wire/frame.ts';
import { SEPARATOR } from './tool-names.ts';

const SUGGESTIONS = 3;
/** Names that an unknown one is compared with: comparing costs time, and a caller can ask often. */
const COMPARED_MAX = 256;

/** `files__read` as `files` and `read`; a name without a separator has an empty rest. */
export function splitName(name: string): [first: string, rest: string] {
  const at = name.indexOf(SEPARATOR);
  return at <= 0 ? [name, ''] : [name.slice(0, at), name.slice(at + SEPARATOR.length)];
}

/** Peers whose lists are not here yet, in an error: the first of them by name. */
function notHere(coming: readonly string[]): string {
  if (coming.length === 0) return '';
  const named = coming.slice(0, SUGGESTIONS).join(', ');
  const more = coming.length > SUGGESTIONS ? ` and ${coming.length - SUGGESTIONS} more` : '';
  const what = coming.length === 1 ? `the list of ${named} is` : `the lists of ${named}${more} are`;
  return ` so far: ${what} not here yet`;
}

/**
 * No tool is called `name`; `known` are the names that the caller sees, `coming` the peers whose lists are on their way.
 */
export function unknownTool(
  name: string,
  known: readonly string[],
  coming: readonly string[] = [],
): StarlingError {
  const [prefix, wanted] = splitName(name);
  const near = known
    .filter((candidate) => candidate.startsWith(`${prefix}${SEPARATOR}`))
    .slice(0, COMPARED_MAX);
  const holding = known.filter((candidate) => wanted !== '' && candidate.includes(wanted));
  const slip = nearest(name, near.length === 0 ? known.slice(0, COMPARED_MAX) : near, SEPARATOR);
  const close = [...new Set([...(slip === undefined ? [] : [slip]), ...holding])];
  const text = `no tool is called '${printable(name.slice(0, 128))}'${notHere(coming)}`;
  const advice =
    close.length === 0
      ? 'see what there is: starling tools'
      : `did you mean ${close.slice(0, SUGGESTIONS).join(' or ')}?`;
  const [first] = coming;
  if (first === undefined)
    return new StarlingError('STARLING_TOOL_UNKNOWN', text, { hint: advice });
  // The peer itself knows what it has.
  const whole =
    wanted === ''
      ? ''
      : ` or name the machine, as in ${first}${SEPARATOR}${printable(name.slice(0, 128))};`;
  return new StarlingError('STARLING_TOOL_UNKNOWN', text, {
    hint: `try again in a moment,${whole} ${advice}`,
    data: { coming },
  });
}

/** No prompt or resource is called `name`; `coming` are the peers whose lists are on their way. */
export function unknownItem(
  what: 'prompt' | 'resource',
  name: string,
  coming: readonly string[] = [],
): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `no ${what} is called '${printable(name.slice(0, 256))}'${notHere(coming)}`,
    {
      ...(coming.length === 0 ? {} : { hint: 'try again in a moment' }),
      data: {
        ...(what === 'resource' ? { uri: name.slice(0, 2048) } : {}),
        ...(coming.length === 0 ? {} : { coming }),
      },
    },
  );
}

/** No peer has this alias. */
export function unknownPeer(alias: string): StarlingError {
  return new StarlingError('STARLING_PEER_UNKNOWN', `no peer is called '${printable(alias)}'`, {
    hint: 'see who is there: starling peers',
  });
}

/** The server has failed, and so lists no tools. */
export function serverFailed(server: string, { error, hint }: UpstreamStatus): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${server}' is not ready: ${error ?? 'it failed'}`,
    { ...(hint === undefined ? {} : { hint }), data: { server } },
  );
}

/** The server lists the thing, in a form that can't be offered. */
export function leftOutError(
  kind: ItemKind,
  at: { readonly server: string; readonly name: string },
  why: string,
): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `${kind} ${printable(`${at.server}/${at.name}`)} is left out: ${why}`,
    {
      hint: 'its definition must be mended at the server; see what else is left out: starling status',
      data: { server: at.server },
    },
  );
}

/** No server of the view is known to serve `method`. */
export function unknownMethod(method: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `unknown method ${printable(method)}`, {
    data: { rpc: RPC.methodNotFound },
  });
}

/** The peer is dead or has left. */
export function peerAway(peer: PeerView): StarlingError {
  const when =
    peer.lastHeartbeatAt === 0
      ? 'was never heard'
      : `was last heard at ${new Date(peer.lastHeartbeatAt).toISOString()}`;
  const how = peer.state === 'left' ? 'has stopped' : 'is unreachable';
  return new StarlingError('STARLING_PEER_UNREACHABLE', `peer ${peer.alias} ${how}; it ${when}`, {
    hint: 'see who is there: starling peers',
    data: { peer: peer.peerId },
  });
}
