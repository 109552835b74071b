/**
 * yamux, kept from ending the process: its streams open and grant window in later ticks, and by then
 * their connection may be gone. `send` on a closed connection throws, out of a microtask where nobody
 * can catch it (libp2p 3.3.11). A frame for a closed connection is lost either way, so it is dropped.
 */
import type { MessageStream } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import type { YamuxMuxerInit } from '@libp2p/yamux';

/** `yamux(init)`, whose frames for closed connections are dropped. */
export function steadyYamux(init: YamuxMuxerInit): ReturnType<typeof yamux> {
  const make = yamux(init);
  return () => {
    const factory = make();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => createStreamMuxer(dropWhenClosed(connection));
    return factory;
  };
}

function dropWhenClosed(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => (isOver(connection) ? true : send(data));
  return connection;
}

/** Whether its write side is over; every stream of libp2p says so, but not in its interface. */
function isOver(connection: MessageStream): boolean {
  const status = 'writeStatus' in connection ? connection.writeStatus : connection.status;
  return status !== 'writable' && status !== 'open';
}
