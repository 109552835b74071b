/**
 * The sessions of somebody who works inside of the node: an agent, by the pipe of its process or by a model. It has other
 * rights with each message that it deals with, and a session for each of these: a peer knows by its session for whom it is.
 */
import type { Principal } from '../../guard/index.ts';
import { LEGACY_VERSIONS } from '../wire/era.ts';
import { notificationBytes, parseFrame } from '../wire/frame.ts';
import { NO_REPLY } from '../wire/reply.ts';
import type { Session } from './types.ts';

/** How sessions are opened and ended. */
export interface InnerSessionsComponents {
  /** @throws STARLING_LIMIT_EXCEEDED */
  open(principal: Principal): Session;
  /** Hears that the session is over. */
  ended(session: Session): void;
}

/** What somebody inside of the node is connected by, with the rights of each moment. */
export interface InnerSessions {
  /** The session with these rights; the others end when what they call is done. @throws STARLING_LIMIT_EXCEEDED */
  of(principal: Principal): Session;
  /** Nothing is under way from then on; the next `of` begins anew. */
  end(): void;
}

/** Makes the sessions of one, none at first. */
export function createInnerSessions(components: InnerSessionsComponents): InnerSessions {
  const open = new Map<Principal, Session>();
  const end = (principal: Principal): void => {
    const session = open.get(principal);
    if (session === undefined) return;
    open.delete(principal);
    session.end();
    components.ended(session);
  };
  return {
    of(principal) {
      const known = open.get(principal);
      if (known !== undefined) return known;
      for (const [other, session] of open) session.whenIdle(() => end(other));
      const session = components.open(principal);
      open.set(principal, session);
      session.receive(parseFrame(HELLO), NO_REPLY);
      session.receive(parseFrame(notificationBytes('notifications/initialized')), NO_REPLY);
      return session;
    },
    end() {
      for (const principal of open.keys()) end(principal);
    },
  };
}

const HELLO = Buffer.from(
  JSON.stringify({
    jsonrpc: '2.0',
    id: 'agent',
    method: 'initialize',
    params: {
      protocolVersion: LEGACY_VERSIONS[0],
      capabilities: {},
      clientInfo: { name: 'agent', version: '1' },
    },
  }),
);
