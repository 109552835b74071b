/**
 * `/starling/invite/1`: a member to whom a newcomer shows a ticket asks who made the ticket, so that its
 * uses are counted in one place for as long as that place can be reached.
 */
import { StarlingError, createBuckets, messageOf, withDeadline, unawaited } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import { createMessageStream } from '../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../network/index.ts';
import type { MeshAdmission } from './admission.ts';
import {
  decodeInviteAnswer,
  decodeInviteQuestion,
  encodeInviteAnswer,
  encodeInviteQuestion,
} from './tickets/invite-messages.ts';
import type { InviteAnswer, InviteQuestion } from './tickets/invite-messages.ts';

const PROTOCOL = '/starling/invite/1';
/** An answer holds two records. */
const MESSAGE_BYTES_MAX = 36 * 1024;
/** How long the maker of a ticket is asked: less than the newcomer waits for its welcome. */
const ASK_TIMEOUT_MS = 4000;
/** Questions that one member may ask, and how soon it may ask another. Each may cost a signature. */
const ALLOWANCE = { burst: 20, everyMs: 1000 };

/** What the exchange works with. */
export interface InviteExchangeComponents {
  readonly network: Pick<Network, 'handle' | 'open'>;
  readonly admission: Pick<MeshAdmission, 'askInvitersBy' | 'answerInvite'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Joins the admission to the members that make tickets. For the life of the node: nothing is to be undone. */
export function exchangeInvites(components: InviteExchangeComponents): void {
  const { admission, network } = components;
  admission.askInvitersBy((inviter, question) => ask(components, inviter, question));
  const asked = createBuckets(components.clock, ALLOWANCE);
  network.handle(PROTOCOL, (stream) => {
    if (asked.take(stream.peer)) serve(components, stream);
    else stream.abort(new StarlingError('STARLING_RATE_LIMITED', 'too many questions'));
  });
}

/** Undefined when the maker can't be reached, or does not answer in time. */
async function ask(
  { clock, logger, network }: InviteExchangeComponents,
  inviter: PeerId,
  question: InviteQuestion,
): Promise<InviteAnswer | undefined> {
  let channel: MessageStream | undefined;
  try {
    return await withDeadline(clock, ASK_TIMEOUT_MS, async (signal) => {
      const stream = await network.open(inviter, PROTOCOL, { signal });
      const opened = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
      channel = opened;
      opened.send(encodeInviteQuestion(question));
      const answer = decodeInviteAnswer(await firstMessage(opened));
      unawaited(opened.close(), logger, 'a stream did not close', { peer: inviter });
      return answer;
    });
  } catch (error) {
    logger.debug({ peer: inviter, error: messageOf(error) }, 'the maker of a ticket was not asked');
    channel?.abort(new StarlingError('STARLING_TIMEOUT', 'no answer about a ticket in time'));
    return undefined;
  }
}

function serve({ admission, clock, logger }: InviteExchangeComponents, stream: PeerStream): void {
  const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
  const fail = (error: unknown): void => {
    logger.debug({ peer: stream.peer, error: messageOf(error) }, 'a ticket was not judged');
    channel.abort(
      new StarlingError('STARLING_PROTOCOL_VIOLATION', 'not a question about a ticket'),
    );
  };
  withDeadline(clock, ASK_TIMEOUT_MS, async () => {
    const question = decodeInviteQuestion(await firstMessage(channel));
    if (question === undefined) throw new Error('it is none');
    channel.send(encodeInviteAnswer(await admission.answerInvite(question)));
    await channel.close();
  }).catch(fail);
}

function firstMessage(channel: MessageStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    channel.onEnd((error) =>
      reject(error ?? new StarlingError('STARLING_PROTOCOL_VIOLATION', 'nothing was said')),
    );
    channel.onMessage(resolve);
  });
}
