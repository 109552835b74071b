/** `/starling/knock/1` at a member: says which mesh this is, and hears who wants to join. For this LAN only. */
import { StarlingError, createBuckets, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { Network, StrangerStream } from '../../network/index.ts';
import {
  KNOCK_BYTES_MAX,
  KNOCK_PROTOCOL,
  decodeKnock,
  encodeKnockAnswer,
} from './knock-messages.ts';
import type { KnockAnswer, KnockQuestion } from './knock-messages.ts';
import type { Knocks } from './knocks.ts';
import type { Mesh } from '../types.ts';

/** How long a question may take. */
const TIMEOUT_MS = 5000;
/** Questions of one address, and of all: a node that waits asks every five seconds. */
const PER_ADDRESS = { burst: 12, everyMs: 1500 } as const;
const IN_ALL = { burst: 60, everyMs: 200 } as const;

/** What the service works with. */
export interface KnockServiceComponents {
  readonly network: Pick<Network, 'handleStrangers'>;
  readonly knocks: Pick<Knocks, 'knock'>;
  /** The mesh of this node; undefined while it is in none. */
  readonly mesh: () => Mesh | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves knocks. For the life of the node: nothing is to be undone. */
export function serveKnocks(
  components: KnockServiceComponents,
  init: { readonly name: string },
): void {
  const { clock, network } = components;
  const perAddress = createBuckets(clock, PER_ADDRESS);
  const inAll = createBuckets(clock, IN_ALL);
  network.handleStrangers(KNOCK_PROTOCOL, (visit) => {
    const { stream, address, isLocal } = visit;
    if (!isLocal) {
      const text = 'nodes of other networks are let in by a ticket only';
      stream.abort(new StarlingError('STARLING_JOIN_REFUSED', text));
    } else if (!perAddress.take(address) || !inAll.take('all')) {
      stream.abort(new StarlingError('STARLING_RATE_LIMITED', 'too many knocks'));
    } else serve(components, init.name, visit);
  });
}

function serve(components: KnockServiceComponents, name: string, visit: StrangerStream): void {
  const { clock, logger } = components;
  const { stream, address } = visit;
  const channel = createMessageStream(stream, { maxBytes: KNOCK_BYTES_MAX });
  withDeadline(clock, TIMEOUT_MS, async () => {
    const question = decodeKnock(await firstMessage(channel));
    if (question === undefined) throw new Error('it is no knock');
    channel.send(encodeKnockAnswer(answerTo(components, name, question, stream.peer, address)));
    // Who asks as often as it was told to does nothing wrong by going away again.
    visit.excuse();
    await channel.close();
  }).catch((error: unknown) => {
    logger.debug({ peer: stream.peer, error: messageOf(error) }, 'a knock was not answered');
    channel.abort(new StarlingError('STARLING_PROTOCOL_VIOLATION', 'that is no knock'));
  });
}

function answerTo(
  { knocks, mesh }: KnockServiceComponents,
  name: string,
  question: KnockQuestion,
  peer: PeerId,
  address: string,
): KnockAnswer {
  const own = mesh();
  if (own === undefined) return { t: 'refused', reason: 'this node is in no mesh yet' };
  if (question.t === 'who') {
    return { t: 'here', name, mesh: own.id, meshName: own.name, open: own.open };
  }
  if (own.open) return { t: 'refused', reason: 'this mesh is open: nobody needs to ask' };
  // Also one that the records have as a member: who knocks is in no mesh, be it that it left and nobody was told.
  return knocks.knock(peer, question.name, address);
}

function firstMessage(channel: ReturnType<typeof createMessageStream>): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    channel.onEnd((error) => reject(error ?? new Error('nothing was said')));
    channel.onMessage(resolve);
  });
}
