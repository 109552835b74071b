/** What a server may ask of a client: what the client has declared, and nothing else. */
import { RPC, errorBytes } from '../../wire/frame.ts';
import type { ChannelListener, ClientFacts } from '../../channel-types.ts';
import type { RequestFrame } from '../../frame-types.ts';

/** The capability that a client declares to be asked by each method (MCP `client`). */
const METHOD_CAPABILITY: Readonly<Record<string, string>> = {
  'sampling/createMessage': 'sampling',
  'elicitation/create': 'elicitation',
  'roots/list': 'roots',
};

/** True when `client` has declared that it can be asked by `method`; false for an unknown method. */
export function isDeclared(method: string, client: ClientFacts): boolean {
  const capability = METHOD_CAPABILITY[method];
  return capability !== undefined && client.capabilities[capability] !== undefined;
}

/** The answer to a request that the client does not serve. */
export function undeclared(request: RequestFrame): Buffer {
  return errorBytes(request.id, {
    code: RPC.methodNotFound,
    message: `this client does not serve ${request.method}`,
  });
}

/** `listener`, which is asked only what `client` declares, and what needs no declaration. */
export function discreetListener(listener: ChannelListener, client: ClientFacts): ChannelListener {
  return {
    notification: (frame, related) => listener.notification(frame, related),
    request(frame, answer, related) {
      const isKnown = METHOD_CAPABILITY[frame.method] !== undefined;
      if (isKnown && !isDeclared(frame.method, client)) answer(undeclared(frame));
      else listener.request(frame, answer, related);
    },
  };
}
