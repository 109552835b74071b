/** What `starling up` says of other nodes: one line for each change of one, under the name it has here. */
import { addressText } from '../../../core/words/address-text.ts';
import { StarlingError } from '../../../core/errors.ts';
import { shortId, withShortIds } from '../../../identity/short-id.ts';
import type { PeerView } from '../../../membership/types.ts';
import type { Mesh } from '../../../mesh/types.ts';
import type { StarlingNode } from '../../../node-types.ts';
import { systemClock } from '../../../core/time/clock.ts';
import type { Clock } from '../../../core/time/clock.ts';
import { calledLine, isNewlyCalled, nameLines } from './name-lines.ts';
import { duration, paintTalk, safeLine } from '../output.ts';

/** Prints a line that stays. */
export type Say = (text: string) => void;

/** How long who has joined waits for the first word of a member, to name that one in the same line. */
const WELCOME_MS = 3000;
/** Errors of a dial by which somebody has told this node that it does not belong there: they end what it does. */
const TOLD_AT_THE_END: readonly string[] = ['STARLING_MEMBERSHIP_ENDED', 'STARLING_MESH_MISMATCH'];
/** By these somebody who could let it in has said no, which ends a start as well. */
const ENDS_A_START = /^STARLING_(?:TICKET_|JOIN_|VERSION_)/;
const UNREACHABLE: readonly string[] = ['STARLING_PEER_UNREACHABLE', 'STARLING_TIMEOUT'];
/** Failures that are remembered as told. */
const TOLD_MAX = 10_000;
/** How long a peer is in doubt before that is said: who leaves or was only slow is heard of by then. */
const DOUBT_MS = 1000;
/** States of a peer that is not heard. */
const AWAY: readonly string[] = ['suspect', 'dead'];
/** How long peers that call this node the same are gathered for one line. */
const NAMES_MS = 3000;
const DAY_MS = 86_400_000;
/** Reason of a dial that was ended from here. */
const GIVEN_UP = 'given up';
const REASONS_APART = '; ';
/** Reasons that one line names. */
const REASONS_SHOWN = 1;
const AT_HOME = / at (?:127\.|\[?::1\]?)/;

/**
 * Tells of peers as they come and go by `say`; by `sayNow` that one can't be reached, once in place of each
 * dial: a start may be waiting for that.
 */
export function tellOfPeers(
  node: Pick<StarlingNode, 'events' | 'peers' | 'status'>,
  {
    say,
    sayNow,
    clock = systemClock,
  }: { readonly say: Say; readonly sayNow: Say; readonly clock?: Clock },
): void {
  const doubts = new Map<string, () => void>();
  /** Peers of which it is told that they are away: a doubt about one is no news, nor is its end. */
  const away = new Set<string>();
  const failures = tellOfFailures(node, sayNow);
  let joined: Mesh | undefined;
  const tellCalled = tellOfOwnNames(node, say, clock);
  let newcomer = '';
  const welcome = (end: string): void => {
    if (joined !== undefined) {
      say(
        `${paintTalk.green('✓')} ${safeLine(`joined ${joined.name} (${joined.fingerprint})${end}`)}`,
      );
    }
    joined = undefined;
  };
  node.events.on('joined', (mesh) => {
    joined = mesh;
    clock.schedule(WELCOME_MS, () => welcome(''));
  });
  node.events.on('newcomer', (peer, invitedAt, hasKnocked, by, holdsGrants) => {
    newcomer = peer.peerId;
    const at = timeOf(invitedAt);
    const own = hasKnocked ? `admitted by ${node.status().name}` : `with the ticket of ${at}`;
    const how = by === undefined ? own : `admitted by ${by} at ${at}`;
    say(timed(`${peer.alias} joined, ${how}; ${newcomerText(peer, holdsGrants, node)}`));
  });
  node.events.on('peer', (peer, before) => {
    if (peer.state === 'alive') failures.over(peer.peerId);
    else failures.away(peer.peerId);
    const isTold = newcomer === peer.peerId;
    newcomer = '';
    if (joined !== undefined && peer.state === 'alive') return welcome(`: ${peer.alias} is here`);
    const isStillAway = away.has(peer.peerId) && AWAY.includes(peer.state);
    if (peer.state === 'dead') away.add(peer.peerId);
    else if (peer.state !== 'suspect') away.delete(peer.peerId);
    const text = isTold || isStillAway ? undefined : changeText(peer, before);
    const cancel = doubts.get(peer.peerId);
    if (peer.state !== 'suspect') {
      cancel?.();
      doubts.delete(peer.peerId);
      // That it was in doubt was told to nobody, so that its being here is no news.
      const isNoNews = cancel !== undefined && peer.state === 'alive';
      if (text !== undefined && !isNoNews) say(timed(text));
    } else if (text !== undefined && before?.state === 'suspect') say(timed(text));
    else if (text !== undefined && cancel === undefined) {
      const tellDoubt = (): void => {
        doubts.delete(peer.peerId);
        say(timed(text));
      };
      doubts.set(peer.peerId, clock.schedule(DOUBT_MS, tellDoubt));
    }
    for (const line of nameLines(peer, before)) say(timed(line));
    tellCalled(peer, before);
  });
}

/** Tells what peers call this node: in one line those who are heard soon after each other and call it the same. */
function tellOfOwnNames(
  node: Pick<StarlingNode, 'status'>,
  say: Say,
  clock: Clock,
): (peer: PeerView, before: PeerView | undefined) => void {
  const untold = new Map<string, Set<string>>();
  return (peer, before) => {
    const { alias, callsUs } = peer;
    if (callsUs === undefined || !isNewlyCalled(peer, before)) return;
    const aliases = untold.get(callsUs);
    if (aliases !== undefined) {
      aliases.add(alias);
      return;
    }
    untold.set(callsUs, new Set([alias]));
    clock.schedule(NAMES_MS, () => {
      const told = [...(untold.get(callsUs) ?? [])];
      untold.delete(callsUs);
      say(timed(calledLine(callsUs, told, node.status())));
    });
  };
}

/** What has become of a peer; undefined where nothing has that a person would notice. */
function changeText(peer: PeerView, before: PeerView | undefined): string | undefined {
  const { alias, state } = peer;
  if (before !== undefined && before.alias !== alias)
    return `${before.alias} is called ${alias} now`;
  if (before?.state === state && before.ended === peer.ended) return undefined;
  if (state === 'alive') return `${alias} is here`;
  if (state === 'left') return `${alias} ${goodbyeOf(peer)}`;
  if (state === 'suspect') return `${alias} does not answer; trying on`;
  const silent = peer.lastHeartbeatAt === 0 ? '' : `: silent for ${since(peer.lastHeartbeatAt)}`;
  return `${alias} is away${silent}`;
}

function goodbyeOf({ ended }: PeerView): string {
  if (ended === undefined) return 'has stopped';
  return ended.by === undefined ? 'left the mesh' : `was put out by ${ended.by}`;
}

/** Said of who comes back: what it was granted before is valid still. `who`: how a command names it. */
export function grantsHold(who: string): string {
  return `its grants of before hold: starling grant list ${who}`;
}

function newcomerText(
  { alias }: PeerView,
  holdsGrants: boolean,
  node: Pick<StarlingNode, 'status'>,
): string {
  if (holdsGrants) return grantsHold(alias);
  const server = node.status().upstreams.find(({ kind }) => kind !== 'builtin')?.server;
  const grant = `starling grant create ${alias} --tool '${server ?? '<server>'}/*'`;
  return `it may use nothing yet: ${grant}`;
}

/** The time of day, and before it the day where that is another one. */
function timeOf(at: number): string {
  const date = new Date(at);
  const time = date.toTimeString().slice(0, 5);
  if (Math.abs(Date.now() - at) < DAY_MS && date.getDate() === new Date().getDate()) return time;
  const month = String(date.getMonth() + 1).padStart(2, '0');
  return `${date.getFullYear()}-${month}-${String(date.getDate()).padStart(2, '0')} ${time}`;
}

function since(at: number): string {
  return duration(Date.now() - at);
}

/** What else is known of peers that can't be reached. */
export interface FailureLines {
  /** The peer is here: the next failure is news. */
  over(peer: string): void;
  /** That the peer is away is told, so that its failures are no news. */
  away(peer: string): void;
}

/** Tells once of each peer that can't be reached: it has many addresses, and is dialled again and again. */
export function tellOfFailures(
  node: Pick<StarlingNode, 'events' | 'peers'>,
  say: Say,
): FailureLines {
  let isServing = false;
  node.events.on('serving', () => {
    isServing = true;
  });
  const told = new Map<string, Set<string>>();
  const gone = new Set<string>();
  node.events.on('dial:failed', (address, error) => {
    const peer = peerOf(address, error);
    const kinds = told.get(peer) ?? new Set();
    const kind = error instanceof StarlingError ? error.code : error.name;
    if (TOLD_AT_THE_END.includes(kind) || (!isServing && ENDS_A_START.test(kind))) return;
    if (isAnnouncedSoon(error) || isOwnEnd(error)) return;
    if (gone.has(peer) || kinds.has(kind) || told.size >= TOLD_MAX) return;
    told.set(peer, kinds.add(kind));
    const known = node.peers().find(({ peerId }) => peerId === peer);
    // One of its other addresses is of no use, and the peer is here all the same.
    if (known?.state === 'alive') return;
    // Found on this network and no member, like who was just refused: nobody waits for that one.
    if (known === undefined && isServing && !address.startsWith('/')) return;
    const name = known?.alias ?? whereOf(address);
    say(`${paintTalk.yellow('!')} ${safeLine(failureText(name, error))}`);
  });
  return {
    over(peer) {
      told.delete(peer);
      gone.delete(peer);
    },
    away: (peer) => {
      gone.add(peer);
    },
  };
}

/** Who is being let in was found on the network before that was done: the newcomer is told next. */
function isAnnouncedSoon(error: Error): boolean {
  return error instanceof StarlingError && error.data['noMemberYet'] === true;
}

/** This node has ended the dial itself: what it does instead, or why it ends, is told without that. */
function isOwnEnd(error: Error): boolean {
  return error instanceof StarlingError && error.data['reason'] === GIVEN_UP;
}

function failureText(name: string, error: Error): string {
  const isUnreachable = error instanceof StarlingError && UNREACHABLE.includes(error.code);
  const why = isUnreachable ? error.data['reason'] : undefined;
  if (typeof why !== 'string') return withShortIds(error.message);
  // Said of a place, the place need not be said again.
  const reason = shortReason(why).replace(` at ${name}`, ' there');
  return `can't reach ${name}: ${reason}; trying on, Ctrl-C to stop`;
}

/** The first reason; those of this machine only where there is no other. */
function shortReason(why: string): string {
  const reasons = why.split(REASONS_APART);
  const far = reasons.filter((reason) => !AT_HOME.test(reason));
  return (far.length === 0 ? reasons : far).slice(0, REASONS_SHOWN).join(REASONS_APART);
}

function peerOf(address: string, error: Error): string {
  const named = error instanceof StarlingError ? error.data['peer'] : undefined;
  const inAddress = /\/p2p\/([^/]+)$/.exec(address)?.[1];
  return inAddress ?? (typeof named === 'string' ? named : address);
}

/** Of somebody without a name here: the place, or the end of its PeerId. */
function whereOf(address: string): string {
  if (address.startsWith('/')) return addressText(address);
  return `a member (${shortId(address)})`;
}

function timed(text: string): string {
  return `${paintTalk.dim(new Date().toTimeString().slice(0, 8))} ${safeLine(text)}`;
}
